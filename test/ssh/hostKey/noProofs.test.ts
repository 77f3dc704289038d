import { readFileSync } from "node:fs"
import test from "ava"
import ssh2 from "ssh2"
import { SshConnection } from "../../../provider/ssh/connection.ts"
import { type Sshd, startSshd } from "../../helpers/sshd.ts"

/** ssh2 as it comes, for as long as a command runs. */
async function bareClient({ host, port, user, keyPath }: Sshd): Promise<void> {
  const client = new ssh2.Client()
  await new Promise<void>((resolve, reject) => {
    client.once("error", reject).once("ready", () => {
      client.exec("sleep 1", (error, channel) =>
        error ? reject(error) : channel.once("close", resolve).resume(),
      )
    })
    client.connect({ host, port, username: user, privateKey: readFileSync(keyPath) })
  })
  client.end()
}

test("a host is not asked to prove the other keys that it has, as ssh2 by itself would", async t => {
  const server = await startSshd({ config: ["LogLevel DEBUG1"] })
  const connection = await SshConnection.open(server.target)
  const questions = () => server.log().match(/rtype hostkeys-prove-00@openssh\.com/g)?.length ?? 0
  try {
    // What the server has told by then came before the answer.
    t.is((await connection.run(["sh", "-c", "sleep 1; echo it serves"])).stdout, "it serves\n")
    t.is(questions(), 0)
    await bareClient(server)
    t.is(questions(), 1)
  } finally {
    await connection.close()
    await server.stop()
  }
})
