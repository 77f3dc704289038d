import { existsSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import test from "ava"
import { HostLockedError, withHostLock } from "../../provider/host/lock.ts"
import { ConnectionPool } from "../../provider/ssh/index.ts"
import { startSshd } from "../helpers/sshd.ts"

const setUp = async (t: { teardown: (clean: () => Promise<void>) => void }) => {
  const sshd = await startSshd()
  t.teardown(() => sshd.stop())
  // Two programs: each has a connection of its own.
  const pools = [new ConnectionPool(), new ConnectionPool()]
  for (const pool of pools) t.teardown(() => pool.close())
  const [anna, bela] = await Promise.all(pools.map(pool => pool.get(sshd.target)))
  return { anna: anna!, bela: bela!, pools, path: join(sshd.directory, "lock") }
}

test("of two runs on a host the second waits, and is told for whom", async t => {
  const { anna, bela, path } = await setUp(t)
  const order: string[] = []
  const held = Promise.withResolvers<void>()
  const first = withHostLock(anna, { holder: "anna@laptop", path }, async () => {
    held.resolve()
    await sleep(1500)
    order.push("first")
  })
  await held.promise
  const statuses: string[] = []
  await withHostLock(bela, { holder: "bela@desk", path, onStatus: text => statuses.push(text) }, async () => {
    order.push("second")
  })
  await first
  t.deepEqual(order, ["first", "second"])
  t.regex(statuses[0] ?? "", /waiting for another run on this host: anna@laptop/)
})

test("who waits in vain is told who held the lock", async t => {
  const { anna, bela, path } = await setUp(t)
  await withHostLock(anna, { holder: "anna@laptop", path }, async () => {
    const error = await t.throwsAsync(
      withHostLock(bela, { holder: "bela@desk", path, wait: 0 }, async () => {}),
      { instanceOf: HostLockedError },
    )
    t.is((error as HostLockedError).holder, "anna@laptop")
  })
})

test("the lock ends with the connection of who held it", async t => {
  const { anna, bela, pools, path } = await setUp(t)
  const held = Promise.withResolvers<void>()
  const dying = withHostLock(anna, { holder: "anna@laptop", path }, async () => {
    held.resolve()
    await sleep(100)
    await pools[0]!.close()
  })
  await held.promise
  await dying.catch(() => {})
  t.is(await withHostLock(bela, { holder: "bela@desk", path, wait: 20 }, async () => "mine"), "mine")
})

test("the lock is released when the work fails, and the failure is the work's own", async t => {
  const { anna, bela, path } = await setUp(t)
  const work = async () => {
    throw new RangeError("no room")
  }
  await t.throwsAsync(withHostLock(anna, { holder: "anna@laptop", path }, work), { instanceOf: RangeError })
  t.is(await withHostLock(bela, { holder: "bela@desk", path, wait: 20 }, async () => existsSync(path)), true)
})
