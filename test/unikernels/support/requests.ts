import { Agent, get } from "node:http"

/** What a load of requests came to. */
export type Outcome = { failed: string[]; slowest: number }

/** `total` GETs, `width` at a time; one that is not answered 200 and "ok" in `/health` has failed. */
export async function load(url: string, total: number, width: number, keepAlive: boolean): Promise<Outcome> {
  const agent = new Agent({ keepAlive, maxSockets: width })
  const outcome: Outcome = { failed: [], slowest: 0 }
  let started = 0
  const worker = async () => {
    while (started++ < total) {
      const start = performance.now()
      await once(url, agent).catch((error: Error) => outcome.failed.push(error.message))
      outcome.slowest = Math.max(outcome.slowest, performance.now() - start)
    }
  }
  await Promise.all(Array.from({ length: width }, worker))
  agent.destroy()
  return outcome
}

/** Milliseconds: longer than Linux tries to connect (tcp_syn_retries of tcp(7): 127 s), so that it is who gives up. */
const PATIENCE = 130_000

/** One GET; resolves if it was answered as it should be. */
export function once(url: string, agent?: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = get(url, { ...(agent && { agent }), timeout: PATIENCE }, response => {
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
    request.on("timeout", () => request.destroy(new Error(`no answer within ${PATIENCE / 1000} s`)))
    request.on("error", reject)
  })
}
