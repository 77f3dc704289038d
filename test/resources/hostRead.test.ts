import { setTimeout as sleep } from "node:timers/promises"
import test from "ava"
import { readTogether } from "../../provider/resources/hostRead.ts"
import type { Command } from "../../provider/ssh/command.ts"
import { AbortedError } from "../../provider/ssh/errors.ts"
import type { Connection, RunOptions } from "../../provider/ssh/index.ts"

/** A host that answers when it is told to. Its clock tells how many have asked it. */
class HostToTell {
  /** The words of each probe, behind its mark and depth. */
  readonly asked: (readonly string[])[] = []
  readonly #answers: ((failure?: Error) => void)[] = []
  readonly connection = { name: "root@www1:22", run: this.#run.bind(this) } as unknown as Connection

  #run([, , , mark, , ...packages]: Command, { signal }: RunOptions = {}) {
    const aborted = () => new AbortedError("root@www1:22", "probing", true)
    if (signal?.aborted) return Promise.reject(aborted())
    const clock = this.asked.push(packages)
    return new Promise((resolve, reject) => {
      const answer = (failure?: Error) =>
        failure ? reject(failure) : resolve({ stdout: `\n${mark} clock\n${clock}\n${mark} end\n` })
      this.#answers.push(answer)
      signal?.addEventListener("abort", () => {
        this.#answers.splice(this.#answers.indexOf(answer), 1)
        reject(aborted())
      })
    })
  }

  /** Answers the first who has no answer yet. */
  async answer(failure?: Error): Promise<void> {
    while (this.#answers.length === 0) await sleep(1)
    this.#answers.shift()!(failure)
  }

  read(packages: readonly string[] = [], signal = new AbortController().signal): Promise<number> {
    return readTogether(this.connection, { packages }, { signal }).then(({ clock }) => clock)
  }
}

test("reads that are asked for at the same time are one probe, for all that they ask for", async t => {
  const host = new HostToTell()
  const reads = [host.read(["nftables", "xen"]), host.read(), host.read(["xen", "qemu"])]
  await host.answer()
  t.deepEqual(await Promise.all(reads), [1, 1, 1])
  t.deepEqual(host.asked, [["nftables", "xen", "qemu"]])
})

test("a read is never given what was seen before it was asked for: not of a probe under way, nor of one that is over", async t => {
  const host = new HostToTell()
  const first = host.read()
  while (host.asked.length === 0) await sleep(1)
  const second = host.read()
  await host.answer()
  t.is(await first, 1)
  await host.answer()
  t.is(await second, 2)
  const third = host.read()
  await host.answer()
  t.is(await third, 3)
})

test("other connection settings are another probe, though it is the same machine", async t => {
  const [one, other] = [new HostToTell(), new HostToTell()]
  const reads = [one.read(["xen"]), other.read(["qemu"])]
  await Promise.all([one.answer(), other.answer()])
  await Promise.all(reads)
  t.deepEqual([one.asked, other.asked], [[["xen"]], [["qemu"]]])
})

test("an error is everybody's, and the next read asks again", async t => {
  const host = new HostToTell()
  const reads = [host.read(), host.read()]
  await host.answer(new Error("the wire is cut"))
  for (const read of reads) await t.throwsAsync(read, { message: "the wire is cut" })
  const again = host.read()
  await host.answer()
  t.is(await again, 2)
})

for (const when of ["before the probe is sent", "while it is under way"] as const) {
  const underWay = async (host: HostToTell) => {
    while (when === "while it is under way" && host.asked.length === 0) await sleep(1)
  }

  test(`who cancels ${when} is told at once, and the others have their answer`, async t => {
    const host = new HostToTell()
    const stop = new AbortController()
    const [stopped, other] = [host.read([], stop.signal), host.read()]
    await underWay(host)
    stop.abort()
    await t.throwsAsync(stopped, { instanceOf: AbortedError })
    await host.answer()
    t.is(await other, 1)
  })

  test(`when all cancel ${when}, the probe is ended, and who comes then has one of its own`, async t => {
    const host = new HostToTell()
    const stop = new AbortController()
    const reads = [host.read([], stop.signal), host.read([], stop.signal)]
    await underWay(host)
    stop.abort()
    const later = host.read(["xen"])
    for (const read of reads) await t.throwsAsync(read, { instanceOf: AbortedError })
    await host.answer()
    t.is(await later, host.asked.length)
    t.deepEqual(host.asked.at(-1), ["xen"])
  })
}

test("who comes with a signal that is aborted already does not keep others from their answer", async t => {
  const host = new HostToTell()
  const gone = host.read([], AbortSignal.abort())
  const other = host.read()
  await t.throwsAsync(gone, { instanceOf: AbortedError })
  await host.answer()
  t.is(await other, 1)
})
