import test from "ava"
import { Hosts } from "../../provider/resources/connection.ts"
import type { Inputs } from "../../provider/resources/domainInputs.ts"
import { freePort } from "../../scripts/lab/ports.ts"
import { lookAtHosts } from "../../scripts/status/look.ts"
import { render } from "../../scripts/status/render.ts"

test("a host that does not answer is a line of the answer, with the reason, and its domains are unknown", async t => {
  const hosts = new Hosts()
  t.teardown(() => hosts.close())
  const { signal } = new AbortController()
  const connection = {
    host: "127.0.0.1",
    port: await freePort(),
    user: "root",
    hostKey: `SHA256:${"A".repeat(43)}`,
  }
  const www = { connection, name: "www", addresses: ["10.0.2.20/24"], autostart: true } as unknown as Inputs
  const [seen, ...more] = await lookAtHosts(
    [{ resource: "www", urn: "urn:www", inputs: www, outputs: {} }],
    input => hosts.connect(input, { signal }),
    signal,
  )
  t.deepEqual(more, [])
  t.is(seen!.host, `root@127.0.0.1:${connection.port}`)
  t.regex(seen!.problem!, /refused/)
  t.like(seen!.domains[0], { name: "www", state: "unknown", addresses: ["10.0.2.20/24"] })
  t.regex(render([seen!]), /www +unknown +-/)
})
