import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import test from "ava"
import { TURN, xenMachine } from "../helpers/lab.ts"
import { PulumiStack } from "../helpers/pulumiStack.ts"
import { runScript, says, startScript } from "../helpers/stackScript.ts"
import { make } from "../unikernels/support/build.ts"
import { address } from "./support/realXen.ts"

test("on real Xen: pulumi brings a new version by swap; status, logs, rollback and console know it from the stack", async t => {
  t.timeout(TURN)
  await using machine = await xenMachine({ forwards: [{ address, to: 80 }] })
  const stack = await PulumiStack.create("unikernels")
  const folder = await mkdtemp(join(tmpdir(), "versions-"))
  t.teardown(async () => {
    await stack.remove()
    await rm(folder, { recursive: true })
  })
  const { host, port, user, hostKey, privateKeyPath } = machine.host
  // An emulated machine beside others may be silent for longer than the ten seconds of the default.
  const connection = { host, port, user, hostKey, privateKeyPath, connectTimeout: 60_000 }
  const deploy = async (version: string): Promise<string> => {
    await make("all", join(folder, version), { VERSION: version })
    const www = {
      host: "lab",
      kernel: join(folder, version, "hello.xen"),
      arguments: [`--ipv4=${address}/24`, "--ipv4-gateway=10.0.2.2"],
      health: { http: { path: "/health" }, settle: 0, timeout: 120 },
      drain: 1,
      probation: 1,
    }
    await stack.configure({ wanted: { hosts: { lab: { connection } }, unikernels: { www } } })
    await stack.succeed(["up", "--yes", "--skip-preview"])
    const { stdout } = await stack.succeed(["stack", "output", "outputs", "--json"])
    return JSON.parse(stdout).www.generation
  }
  const serves = async (): Promise<string | undefined> => {
    const answer = await fetch(`http://127.0.0.1:${machine.forward(address, 80)}/`)
    return /^version: (.*)$/m.exec(await answer.text())?.[1]
  }
  const first = await deploy("1.0.0")
  const following = startScript(stack, "logs", ["www", "-f"])
  t.teardown(() => following.kill())
  await says(following, `generation ${first}`)
  const second = await deploy("2.0.0")
  t.is(await serves(), "2.0.0")
  // It says in the journal what it does.
  const asked = await machine.run("journalctl -b --no-pager | grep -c /etc/xen/scripts/vif-bridge || :")
  t.is(asked.trim(), "0", "what is staged is joined without vif-bridge")
  await says(following, `generation ${second}`)
  following.kill("SIGINT")
  t.deepEqual(await once(following, "close"), [130, null])

  const status = await runScript(stack, "status")
  t.is(status.exit, 0, status.stderr)
  t.regex(status.stdout, new RegExp(`www +running +healthy +${second} \\(of 2\\)`))

  const logs = await runScript(stack, "logs", "www")
  const lives = logs.stdout.split(/^==> www, generation (.*) <==$/m)
  t.deepEqual([lives[1], lives[3]], [first, second])
  t.regex(lives[2]!, /^hello 1\.0\.0 /m)
  t.regex(lives[4]!, /^hello 2\.0\.0 /m)

  const back = await runScript(stack, "rollback", "www")
  t.is(back.exit, 0, back.stdout + back.stderr)
  t.regex(back.stdout, new RegExp(`www is held at generation ${first}`))
  t.is(await serves(), "1.0.0")

  // A console shows what is written while somebody looks: xl has become xenconsole by then.
  const looking = startScript(stack, "console", ["www"])
  t.teardown(() => looking.kill())
  const ended = once(looking, "close")
  await machine.run(
    "for try in $(seq 100); do pgrep -x xenconsole >/dev/null && exit; sleep 0.3; done; exit 1",
  )
  const heard = says(looking, "stopping")
  await machine.run("xl shutdown www")
  await heard
  t.deepEqual(await ended, [0, null], "it ends with the domain")
})
