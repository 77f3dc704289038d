import { setTimeout as sleep } from "node:timers/promises"
import test from "ava"
import { apply, StepError } from "../../provider/host/apply.ts"
import { readFacts } from "../../provider/host/facts/probe.ts"
import type { PackageManager } from "../../provider/host/facts/types.ts"
import {
  packageNames,
  planPackages,
  planPackagesRemoval,
  refusePackages,
} from "../../provider/host/packages/plan.ts"
import type { PackagesWanted } from "../../provider/host/packages/wanted.ts"
import { TestHost } from "./helpers/container.ts"
import { whenItAnswers } from "./helpers/reach.ts"
import { makeRepository } from "./helpers/repository.ts"
import { SETTINGS } from "./helpers/settings.ts"

const KINDS = [
  { manager: "apt", kind: "deb", family: "debian", altered: "px-other_1.0_all.deb" },
  { manager: "dnf", kind: "rpm", family: "rhel", altered: "px-other-1.0.rpm" },
] as const satisfies readonly { manager: PackageManager; kind: string; family: string; altered: string }[]

for (const { manager, kind, family, altered } of KINDS) {
  const setUp = async (t: { teardown: (clean: () => Promise<void>) => void }) => {
    const host = await TestHost.start(SETTINGS["systemd-networkd, static"]!)
    t.teardown(() => host.stop())
    const key = await makeRepository(host, kind, family)
    const connection = host.connection(await whenItAnswers(host))
    const wanted: PackagesWanted = {
      id: "tools",
      packages: [{ name: "px-hello" }],
      repositories: [{ name: "own", url: "file:///srv/repo", key }],
    }
    const facts = (of = wanted) =>
      readFacts(connection, { depth: "full", packages: ["px-lib", ...packageNames(of)] })
    const installed = async () => (await facts()).packages.installed
    return { host, connection, wanted, facts, installed }
  }

  test.serial(
    `${manager}: a set is installed from a signed repository, does nothing twice, and leaves nothing`,
    async t => {
      const { connection, wanted, facts, installed } = await setUp(t)
      const before = await facts()
      t.is(before.packages.manager, manager)
      t.deepEqual(refusePackages(before, wanted), [])
      const statuses: string[] = []
      await apply(connection, planPackages(before, wanted), { onStatus: text => statuses.push(text) })
      const after = await facts()
      t.regex(after.packages.installed["px-hello"] ?? "", /^2\.0/)
      t.regex(after.packages.installed["px-lib"] ?? "", /^1\.0/, "what it needs comes with it")
      t.deepEqual(planPackages(after, wanted), [], "a second run does nothing")
      t.true(
        statuses.some(text => /px-(hello|lib)/.test(text) && /installing/.test(text)),
        statuses.join("\n"),
      )

      const older: PackagesWanted = {
        ...wanted,
        packages: [{ name: "px-hello", version: kind === "deb" ? "1.0" : "1.0-1" }],
      }
      const downgrade = planPackages(after, older)
      t.deepEqual(
        downgrade.map(({ title }) => title),
        [`Install px-hello ${older.packages![0]!.version}`],
      )
      if (manager !== "dnf") {
        await apply(connection, downgrade)
        t.regex((await installed())["px-hello"] ?? "", /^1\.0/)
        t.deepEqual(planPackages(await facts(), older), [])
      }

      await apply(connection, planPackagesRemoval(await facts(), "tools"))
      const gone = await facts()
      t.is(gone.packages.installed["px-hello"], undefined)
      t.is(gone.packages.installed["px-lib"], undefined)
      t.deepEqual(
        Object.keys(gone.files).filter(path => /pulumi-xen/.test(path) && !/guard/.test(path)),
        [],
        "no repository, no key, no record is left",
      )
      t.deepEqual(planPackagesRemoval(gone, "tools"), [])
    },
  )

  test.serial(
    `${manager}: an altered package is not installed, and an unsigned repository is refused`,
    async t => {
      const { host, connection, wanted, facts, installed } = await setUp(t)
      const [own] = wanted.repositories!
      const codes = (repository: NonNullable<PackagesWanted["repositories"]>[number]) =>
        facts().then(seen =>
          refusePackages(seen, { ...wanted, repositories: [repository] }).map(({ code }) => code),
        )
      t.deepEqual(await codes({ name: "own", url: own!.url }), ["unsigned"])
      t.deepEqual(await codes({ ...own!, key: { ...own!.key!, fingerprint: "0".repeat(40) } }), ["key"])
      t.deepEqual(await codes({ name: "own", url: own!.url, allowUnsigned: true }), [])

      // One byte more in the package: neither its digest in the index nor its own signature fits.
      await host.inside(["sh", "-c", `printf x >> /srv/repo/${altered}`])
      const other: PackagesWanted = { ...wanted, packages: [{ name: "px-other" }] }
      await t.throwsAsync(apply(connection, planPackages(await facts(other), other)), {
        instanceOf: StepError,
      })
      t.is((await installed())["px-other"], undefined)
      if (kind === "rpm") {
        const unsigned: PackagesWanted = { ...wanted, packages: [{ name: "px-unsigned" }] }
        await t.throwsAsync(apply(connection, planPackages(await facts(unsigned), unsigned)), {
          instanceOf: StepError,
        })
      }
    },
  )

  test.serial(
    `${manager}: a run that was killed is mended by the next one, and everything is still counted`,
    async t => {
      const { host, connection, wanted, facts, installed } = await setUp(t)
      await host.inside(["touch", "/tmp/slow"])
      const running = apply(connection, planPackages(await facts(), wanted)).catch((error: unknown) => error)
      await until(async () => (await host.inside(["pgrep", "-f", "-x", "sleep 0.1"])).exit === 0)
      await host.powerCut()
      await host.powerOn()
      t.true((await running) instanceof Error)
      await host.inside(["rm", "-f", "/tmp/slow"])
      await whenItAnswers(host)
      await apply(connection, planPackages(await facts(), wanted))
      const after = await facts()
      t.deepEqual(planPackages(after, wanted), [])
      t.deepEqual(after.packages.broken, [])
      await apply(connection, planPackagesRemoval(after, "tools"))
      t.is((await installed())["px-lib"], undefined, "also what the killed run had added")
      t.is((await installed())["px-hello"], undefined)
    },
  )
}

test.serial("a package manager at work is waited for, and named", async t => {
  const host = await TestHost.start(SETTINGS["systemd-networkd, static"]!)
  t.teardown(() => host.stop())
  const key = await makeRepository(host, "deb", "debian")
  const connection = host.connection(await whenItAnswers(host))
  const lock =
    'use Fcntl; open(F, ">", "/var/lib/dpkg/lock-frontend"); my $all = pack("s s x4 q q i", F_WRLCK, 0, 0, 0, 0); fcntl(F, F_SETLK, $all) or die; sleep 20'
  const holding = host.inside(["perl", "-e", lock])
  await until(async () => /POSIX .*WRITE/.test((await host.inside(["cat", "/proc/locks"])).stdout))
  const wanted: PackagesWanted = {
    id: "tools",
    packages: [{ name: "px-lib" }],
    repositories: [{ name: "own", url: "file:///srv/repo", key }],
  }
  const statuses: string[] = []
  const facts = () => readFacts(connection, { packages: ["px-lib"] })
  await apply(connection, planPackages(await facts(), wanted), { onStatus: text => statuses.push(text) })
  await holding
  t.true(
    statuses.some(text => /waiting for another package manager: perl -e use Fcntl/.test(text)),
    statuses.join("\n"),
  )
  t.truthy((await facts()).packages.installed["px-lib"])
})

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (await condition()) return
    await sleep(100)
  }
  throw new Error("it did not come to that within 20 s")
}
