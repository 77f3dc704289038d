import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import { setTimeout as sleep } from "node:timers/promises"
import anyTest, { type TestFn } from "ava"
import { apply, StepError } from "../../provider/host/apply.ts"
import { readFacts } from "../../provider/host/facts/probe.ts"
import type { PackageManager } from "../../provider/host/facts/types.ts"
import { packageNames, planPackages, planPackagesRemoval } from "../../provider/host/packages/plan.ts"
import { refusePackages } from "../../provider/host/packages/refusals.ts"
import type { PackagesWanted, RepositoryWanted } from "../../provider/host/packages/wanted.ts"
import { TestHost } from "./helpers/container.ts"
import { whenItAnswers } from "./helpers/reach.ts"
import { makeRepository } from "./helpers/repository.ts"
import { SETTINGS } from "./helpers/settings.ts"

const test = anyTest.serial as TestFn

interface Kind {
  readonly manager: PackageManager
  readonly format: "deb" | "rpm"
  readonly family: "debian" | "rhel" | "suse"
  /** Versions of px-hello and px-slow, as the tool writes them. */
  readonly old: string
  readonly newer: string
  /** The file of px-other. */
  readonly other: string
  /** What the tool itself says is held. */
  readonly listHeld: string
  /** Takes a lock of the tool as another run of it would, and keeps it for some seconds. */
  readonly occupy: string
}

/** fcntl's lock as dpkg and rpm take it, in Perl: struct flock of 64-bit Linux. */
const fcntl = (path: string) =>
  `exec perl -e 'use Fcntl; open(F, "+>>", "${path}") or die; my $all = pack("s s x4 q q i", F_WRLCK, 0, 0, 0, 0); fcntl(F, F_SETLK, $all) or die; sleep 15'`
const rpmLock = fcntl("/var/lib/rpm/.rpm.lock")
const rpm = { format: "rpm", old: "1.0-1", newer: "2.0-1", other: "px-other-1.0.rpm" } as const

const KINDS: readonly Kind[] = [
  {
    manager: "apt",
    format: "deb",
    family: "debian",
    old: "1.0",
    newer: "2.0",
    other: "px-other_1.0_all.deb",
    listHeld: "apt-mark showhold",
    occupy: fcntl("/var/lib/dpkg/lock-frontend"),
  },
  { manager: "dnf", family: "rhel", listHeld: "dnf -q versionlock list", occupy: rpmLock, ...rpm },
  { manager: "yum", family: "rhel", listHeld: "yum -q versionlock list", occupy: rpmLock, ...rpm },
  {
    manager: "zypper",
    family: "suse",
    listHeld: "zypper --non-interactive locks",
    // zypper's own lock is a file with the number of a process.
    occupy: "echo $$ >/run/zypp.pid; exec sleep 15",
    ...rpm,
  },
]

for (const kind of KINDS) {
  const { manager, format, family, old, newer } = kind
  let host: TestHost | undefined
  let setting: ReturnType<typeof setUp> | undefined
  const start = () => {
    setting ??= setUp()
    return setting
  }

  async function setUp() {
    host = await TestHost.start(SETTINGS["systemd-networkd, static"]!)
    const own = host
    const key = await makeRepository(own, format, family)
    // EL 7 has yum and no dnf; what is called yum since then is dnf.
    if (manager === "yum") await own.inside(["mv", "/usr/bin/dnf", "/usr/bin/yum"])
    const connection = own.connection(await whenItAnswers(own))
    const repository: RepositoryWanted = { name: "own", url: "file:///srv/repo", key }
    const want = (...packages: NonNullable<PackagesWanted["packages"]>): PackagesWanted => ({
      id: "tools",
      packages,
      repositories: [repository],
    })
    const look = (wanted: PackagesWanted) =>
      readFacts(connection, { depth: "full", packages: ["px-lib", ...packageNames(wanted)] })
    /** Plans, carries out, and proves that nothing is left to do; returns the titles and what was told meanwhile. */
    const reach = async (wanted: PackagesWanted) => {
      const plan = planPackages(await look(wanted), wanted)
      const told: string[] = []
      await apply(connection, plan, { onStatus: text => told.push(text) })
      const left = planPackages(await look(wanted), wanted)
      if (left.length > 0) throw new Error(`it is left to ${left.map(({ title }) => title).join("; ")}`)
      return { titles: plan.map(({ title }) => title), told }
    }
    const version = async (name: string) => (await look(want({ name }))).packages.installed[name]
    const inside = async (script: string) => (await own.inside(["sh", "-c", script])).stdout.trim()
    /** Those of the packages that are there. */
    const there = async (...names: string[]) => {
      const { installed } = (await look(want(...names.map(name => ({ name }))))).packages
      return names.filter(name => installed[name] !== undefined)
    }
    const byHand = (name: string) =>
      inside(
        format === "deb"
          ? `dpkg -i /srv/repo/${name}_1.0_all.deb`
          : `rpm -i --nosignature /srv/repo/${name}-1.0.rpm`,
      )
    const leave = async (id = "tools") => apply(connection, planPackagesRemoval(await look(want()), id))
    return { host: own, connection, repository, want, look, reach, version, there, byHand, inside, leave }
  }

  test.after.always(() => host?.stop())

  test(`${manager}: a set is installed from a signed repository, does nothing twice, and leaves nothing`, async t => {
    t.timeout(300_000)
    const { repository, want, look, reach, version, inside, leave } = await start()
    const wanted = want({ name: "px-hello" })
    const state = format === "deb" ? "dpkg-query -W" : "rpm -qa | sort"
    const before = await inside(state)
    t.is((await look(wanted)).packages.manager, manager)
    t.deepEqual(refusePackages(await look(wanted), wanted), [])
    const { told } = await reach(wanted)
    t.is(await version("px-hello"), newer)
    t.regex((await version("px-lib")) ?? "", /^1\.0/, "what it needs comes with it")
    t.true(
      told.some(text => /: (installing|unpacking)\b.*px-(hello|lib)/.test(text)),
      told.join("\n"),
    )
    t.deepEqual((await reach(wanted)).titles, [], "a second run does nothing")

    await inside(format === "deb" ? "dpkg --purge px-hello" : "rpm -e px-hello")
    t.deepEqual((await reach(wanted)).titles, ["Install px-hello"], "what is gone is seen, and put back")

    // As a purge leaves it that was cut off.
    if (format === "deb") await inside("dpkg --remove px-hello")
    await leave()
    const gone = await look(want({ name: "px-hello" }))
    t.is(await inside(state), before, "what came along goes, and rpm's trust in the key")
    t.deepEqual(
      Object.keys(gone.files).filter(path => /pulumi-xen/.test(path) && !/guard/.test(path)),
      [],
      "no repository, no key, no record is left",
    )
    t.is(await inside("ls /var/lib/pulumi-xen/packages"), "")
    t.deepEqual(planPackagesRemoval(gone, "tools"), [])
    t.truthy(repository.key)
  })

  test(`${manager}: a new repository that has not what it is added for is taken back, and named is what it lacks`, async t => {
    t.timeout(300_000)
    const { connection, want, look, version, inside, leave } = await start()
    const trust = format === "deb" ? "ls /etc/apt/keyrings" : "rpm -qa gpg-pubkey"
    const before = await inside(trust)
    const wanted = want({ name: "px-hello" }, { name: "px-nowhere" })
    const error = await t.throwsAsync(apply(connection, planPackages(await look(wanted), wanted)), {
      instanceOf: StepError,
    })
    t.regex(error!.message, /do not offer px-nowhere\n.*What this step had added was taken back\.$/s)
    t.is(await version("px-hello"), undefined)
    t.deepEqual(
      Object.keys((await look(wanted)).files).filter(path => /\/pulumi-xen-own\./.test(path)),
      [],
    )
    t.is(await inside(trust), before, "and no key of it is trusted")
    await leave()
  })

  test(`${manager}: a pinned version is installed, an older one too, and a held one stays what it is`, async t => {
    t.timeout(300_000)
    const { want, look, reach, version, inside, leave } = await start()
    await reach(want({ name: "px-hello", version: newer }))
    t.is(await version("px-hello"), newer)
    const held = want({ name: "px-hello", version: old, hold: true })
    const { titles } = await reach(held)
    t.true(titles.includes(`Hold px-hello`), titles.join("; "))
    t.is(await version("px-hello"), old)
    t.regex(await inside(kind.listHeld), /px-hello/)
    await inside(
      {
        apt: "apt-get -y upgrade",
        dnf: "dnf -y upgrade",
        yum: "yum -y upgrade",
        zypper: "zypper --non-interactive update",
      }[manager],
    )
    t.is(await version("px-hello"), old, "an upgrade of everything leaves it alone")

    await reach(want({ name: "px-hello", version: newer, hold: true }))
    t.is(await version("px-hello"), newer, "the program may change what it holds")
    t.regex(await inside(kind.listHeld), /px-hello/)
    await reach(want({ name: "px-hello" }))
    t.notRegex(await inside(kind.listHeld), /px-hello/)

    await reach(want({ name: "px-hello", hold: true }))
    await leave()
    t.deepEqual((await look(want())).packages.held, [])
    t.is(await version("px-hello"), undefined)
  })

  // From here on yum, which is dnf by another name, would show the same.
  if (manager === "yum") continue

  test(`${manager}: an altered package is not installed, nor is one without a signature; what comes later is none of the set`, async t => {
    t.timeout(300_000)
    const { connection, repository, want, look, reach, version, there, byHand, inside, leave } = await start()
    const codes = async (one: RepositoryWanted) =>
      refusePackages(await look(want()), { id: "tools", repositories: [one] }).map(({ code }) => code)
    const { key, ...unsigned } = repository
    t.deepEqual(await codes(unsigned), ["unsigned"])
    t.deepEqual(await codes({ ...repository, key: { ...key!, fingerprint: "0".repeat(40) } }), ["key"])
    t.deepEqual(await codes({ ...unsigned, allowUnsigned: true }), [])

    const fails = async (name: string) => {
      const wanted = want({ name })
      const error = await t.throwsAsync(apply(connection, planPackages(await look(wanted), wanted)), {
        instanceOf: StepError,
      })
      t.is(await version(name), undefined)
      return error?.message ?? ""
    }
    // One byte more in the package: neither its digest in the index nor its own signature fits.
    await inside(`cp -p /srv/repo/${kind.other} /srv/whole && printf x >>/srv/repo/${kind.other}`)
    t.regex(await fails("px-other"), /Install px-other: .*exit/s, "the error says what was wanted")
    await inside(`mv /srv/whole /srv/repo/${kind.other}`)
    if (format === "rpm") t.regex(await fails("px-unsigned"), /sign|GPG/i)

    // What comes after a run that failed is not the set's: by hand, and by another set.
    const others: PackagesWanted = { id: "others", packages: [{ name: "px-slow" }] }
    await byHand("px-torn")
    await reach(others)
    await reach(want({ name: "px-hello" }))
    await leave()
    t.deepEqual(await there("px-hello", "px-lib", "px-torn", "px-slow"), ["px-torn", "px-slow"])
    await leave("others")
    await inside(`${format === "deb" ? "dpkg --purge" : "rpm -e"} px-torn`)
  })

  test(`${manager}: another run of a package tool is waited for, and named`, async t => {
    t.timeout(300_000)
    const { host, want, reach, version, leave } = await start()
    const holding = host.inside(["sh", "-c", kind.occupy])
    await until(
      async () => (await host.inside(["pgrep", "-x", "-f", "perl .*|sleep 15"])).stdout.trim() !== "",
    )
    const { told } = await reach(want({ name: "px-lib" }))
    t.true(
      told.some(text => /waiting for another package manager: (perl -e use Fcntl|sleep 15)/.test(text)),
      told.join("\n"),
    )
    await holding
    t.truthy(await version("px-lib"))
    await leave()
  })

  test(`${manager}: a run that was killed is mended by the next one, and everything is still counted`, async t => {
    t.timeout(600_000)
    const { host, connection, want, look, reach, version, there, inside, leave } = await start()
    /** Cuts the power while a package's scripts run. */
    const cutOff = async (wanted: PackagesWanted) => {
      await host.inside(["touch", "/tmp/slow"])
      const running = apply(connection, planPackages(await look(wanted), wanted)).catch(
        (error: unknown) => error,
      )
      await until(async () => (await host.inside(["pgrep", "-f", "-x", "sleep 0.1"])).exit === 0)
      await host.powerCut()
      await host.powerOn()
      t.true((await running) instanceof Error)
      await host.inside(["rm", "-f", "/tmp/slow"])
      await whenItAnswers(host)
    }
    await cutOff(want({ name: "px-hello" }))
    // Another set that comes first mends what is not its own, and what it adds is its own.
    await reach({ ...want({ name: "px-other" }), id: "others", repositories: [] })
    await reach(want({ name: "px-hello" }))
    t.deepEqual((await look(want())).packages.broken, [])
    await leave()
    t.deepEqual(
      await there("px-lib", "px-hello", "px-other"),
      ["px-other"],
      "also what the killed run had added",
    )
    await leave("others")
    t.deepEqual(await there("px-other"), [])

    // To be gone it need not be whole first.
    await cutOff(want({ name: "px-torn" }))
    await leave()
    t.deepEqual(await there("px-torn"), [])
    await reach(want({ name: "px-slow", version: old }))
    await cutOff(want({ name: "px-slow", version: newer }))
    await leave()
    t.deepEqual(await there("px-slow"), [])

    if (format === "deb") {
      // No repository has it.
      const file = `${host.root}/srv/repo/px-torn_1.0_all.deb`
      const sha256 = createHash("sha256")
        .update(await readFile(file))
        .digest("hex")
      const local: PackagesWanted = { id: "tools", files: [{ name: "px-torn", source: file, sha256 }] }
      await cutOff(local)
      await reach(local)
      t.is(await version("px-torn"), old)
      await leave()
      t.deepEqual(await there("px-torn"), [])
    }

    for (const name of ["px-slow", "px-torn"]) {
      await reach(want({ name, version: old }))
      await cutOff(want({ name, version: newer }))
      await reach(want({ name, version: newer }))
      t.is(await version(name), newer)
      const list = format === "deb" ? `dpkg-query -W ${name}` : `rpm -q ${name}`
      t.is((await inside(list)).split("\n").length, 1, "an upgrade that was cut off leaves no second version")
      await leave()
      t.is(await version(name), undefined)
    }
  })
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    if (await condition()) return
    await sleep(100)
  }
  throw new Error("it did not come to that within a minute")
}
