import { Agent, get } from "node:http"

/** What a load of requests came to. */
export type Outcome = { failed: string[]; slowest: number }

/** Milliseconds in which a request must be answered, if nothing else is said. */
const PATIENCE = 60_000

/** `total` GETs, `width` at a time; one that is not answered 200 and "ok" in `/health` within `patience` ms has failed. */
export async function load(
  url: string,
  total: number,
  width: number,
  keepAlive: boolean,
  patience = PATIENCE,
): Promise<Outcome> {
  const agent = new Agent({ keepAlive, maxSockets: width })
  const outcome: Outcome = { failed: [], slowest: 0 }
  let started = 0
  const worker = async () => {
    while (started++ < total) {
      const start = performance.now()
      await once(url, agent, patience).catch((error: Error) => outcome.failed.push(error.message))
      outcome.slowest = Math.max(outcome.slowest, performance.now() - start)
    }
  }
  await Promise.all(Array.from({ length: width }, worker))
  agent.destroy()
  return outcome
}

/** One GET; resolves if it was answered as it should be. */
export function once(url: string, agent?: Agent, patience = PATIENCE): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = get(url, { ...(agent && { agent }), timeout: patience }, response => {
      let body = ""
      response.setEncoding("utf8")
      response.on("data", part => {
        body += part
      })
      response.on("end", () =>
        response.statusCode === 200 && body === "ok\n"
          ? resolve()
          : reject(new Error(`${response.statusCode} ${JSON.stringify(body)}`)),
      )
      response.on("error", reject)
    })
    request.on("timeout", () => request.destroy(new Error(`no answer within ${patience / 1000} s`)))
    request.on("error", reject)
  })
}
