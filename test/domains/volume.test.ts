import test from "ava"
import type { DiskFacts, StorageFacts } from "../../provider/host/facts/types.ts"
import type { Properties } from "../../provider/rpc/value.ts"
import { TURN } from "../helpers/lab.ts"
import { lsblk } from "../helpers/lsblk.ts"
import { failureOf } from "../helpers/provider.ts"
import { RealXen } from "./support/realXen.ts"

let xen: RealXen

test.before(async t => {
  t.timeout(TURN)
  xen = await RealXen.start()
})
test.after.always(() => xen?.[Symbol.asyncDispose]())

test("a logical volume is made empty, grows with what is in it, is never made smaller, and goes only when told to", async t => {
  t.timeout(1_200_000)
  const { connection, machine, provider } = xen
  const { client } = provider
  const mebibyte = 1024 * 1024
  const urnOf = (name: string) => `urn:pulumi:s::p::xen:index:Disk::${name}`
  const disk = (name: string, size: number, more: Properties = {}): Properties => ({
    ...{ connection, volume: { name, group: "guests" }, size },
    ...more,
  })
  const written = async (name: string) =>
    Number(await machine.run(`tr -d '\\0' </dev/guests/${name} | wc -c`))

  // A volume group whose extents are full of what somebody else has written.
  await machine.run(`
      truncate -s 60M /var/tmp/pv
      losetup /dev/loop0 /var/tmp/pv
      vgcreate -q guests /dev/loop0
      lvcreate -q -y -n other -l 100%FREE guests
      tr '\\0' x </dev/zero | dd of=/dev/guests/other bs=1M count=52 iflag=fullblock status=none oflag=direct
      lvremove -q -y guests/other`)

  const made = await provider.create(urnOf("data"), disk("data", 16))
  t.like(made.outputs, { path: "/dev/guests/data", bytes: 16 * mebibyte })
  t.is(await written("data"), 0, "nothing of another's is in it")

  await machine.run("printf data | dd of=/dev/guests/data conv=notrunc status=none")
  const grown = await provider.update(urnOf("data"), made, disk("data", 32))
  t.like(grown.outputs, { bytes: 32 * mebibyte })
  t.is(await written("data"), 4, "what was in it is there, and nothing else")

  const told = await client.invoke("xen:index:getHost", { connection, full: true })
  t.deepEqual(told.failures, [])
  const byName = (disks: readonly DiskFacts[]) => [...disks].sort((a, b) => (a.name < b.name ? -1 : 1))
  const { disks, logicalVolumes, volumeGroups } = told.outputs as unknown as StorageFacts
  t.deepEqual(byName(disks), byName(await lsblk(command => machine.run(command))))
  t.like(
    disks.find(({ name }) => name === "guests-data"),
    { type: "lvm", size: 32 * mebibyte },
  )
  t.like(volumeGroups, [{ name: "guests" }])
  t.deepEqual(logicalVolumes, [{ group: "guests", name: "data", size: 32 * mebibyte }])
  t.true((told.outputs.xen as { capabilities: string[] }).capabilities.includes("xen-3.0-x86_64"))

  const smaller = await failureOf(provider.update(urnOf("data"), grown, disk("data", 8)))
  t.regex(smaller.says, /has 32 MiB, and 8 MiB are asked for: making it smaller would cut off what is in it/)
  const larger = await failureOf(provider.update(urnOf("data"), grown, disk("data", 4096)))
  t.regex(larger.says, /needs 4064 MiB more, and \d+ MiB are free in guests/)
  const lost = disk("lost", 4, { volume: { name: "lost", group: "nowhere" } })
  const nowhere = await failureOf(provider.create(urnOf("lost"), lost))
  t.regex(nowhere.says, /There is no volume group nowhere; the host has guests/)

  await machine.run("lvcreate -q -y -n theirs -l 1 guests")
  const foreign = await failureOf(provider.create(urnOf("theirs"), disk("theirs", 4)))
  t.regex(foreign.says, /nothing says that it was made here/)

  // Killed between making the volume and clearing it: it is not taken for an empty one.
  await machine.run("lvcreate -q -y -Wn -Zn --addtag pulumi-xen-clear-0 -n half -l 2 guests")
  await provider.create(urnOf("half"), disk("half", 8))
  t.is(await written("half"), 0)

  t.is((await client.read(urnOf("data"), grown.id, grown)).id, "/dev/guests/data")
  await client.delete(urnOf("data"), grown.id, grown)
  t.is(await written("data"), 4, "kept")
  const again = await provider.create(urnOf("data"), disk("data", 32, { onDelete: "remove" }))
  await client.delete(urnOf("data"), again.id, again)
  const left = await machine.run("lvs --noheadings -o lv_name guests")
  t.deepEqual(
    left
      .split("\n")
      .map(line => line.trim())
      .filter(Boolean)
      .sort(),
    ["half", "theirs"],
  )
})
