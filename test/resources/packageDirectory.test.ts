import { execFileSync } from "node:child_process"
import { copyFile, mkdtemp, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import anyTest, { type TestFn } from "ava"
import { failureOf, ProviderUnderTest } from "../helpers/provider.ts"
import { startWiredHost } from "../helpers/wiredHost.ts"
import { makeRepository } from "../host/helpers/repository.ts"
import { SETTINGS } from "../host/helpers/settings.ts"

const test = anyTest.serial as TestFn
/** All files that a set could leave; the lock is the host's. */
const SETTING = "find /var/lib/pulumi-xen /etc -type f ! -name lock 2>/dev/null | sort || :"
const urn = "urn:pulumi:s::p::xen:index:Packages::own"
const KINDS = [
  {
    format: "deb",
    family: "debian",
    file: (name: string, at: string) => `${name}_${at}_all.deb`,
    release: "",
  },
  { format: "rpm", family: "rhel", file: (name: string, at: string) => `${name}-${at}.rpm`, release: "-1" },
  { format: "rpm", family: "suse", file: (name: string, at: string) => `${name}-${at}.rpm`, release: "-1" },
] as const

/** Another build of px-slow 2.0: /srv/again.deb, /srv/again.rpm. */
const REBUILD = {
  deb: `
dpkg-deb --raw-extract /srv/repo/px-slow_2.0_all.deb /tmp/again
echo again >/tmp/again/usr/share/px-slow/version
dpkg-deb --build --root-owner-group /tmp/again /srv/again.deb >/dev/null`,
  rpm: `
sed -i 's/^echo 2.0/echo again/' /tmp/px-slow.spec
rpmbuild --quiet --nodeps -bb --define '_rpmdir /srv' --define '_build_name_fmt again.rpm' /tmp/px-slow.spec`,
} as const

for (const { format, family, file, release } of KINDS) {
  test(`a directory of ${format} files is a repository on a ${family} host: sent once, trusted by digest, followed, taken away`, async t => {
    t.timeout(600_000)
    const wired = await startWiredHost(SETTINGS["systemd-networkd, static"]!)
    t.teardown(() => wired[Symbol.asyncDispose]())
    const key = await makeRepository(wired.host, format, family)
    await using provider = await ProviderUnderTest.start()
    const directory = await mkdtemp(join(tmpdir(), "builds-"))
    t.teardown(() => rm(directory, { recursive: true }))
    const build = (name: string, version: string) =>
      copyFile(join(wired.host.root, "srv/repo", file(name, version)), join(directory, file(name, version)))
    const drop = (name: string, version: string) => rm(join(directory, file(name, version)))
    const want = (more: object = {}) => ({
      connection: { ...wired.connection },
      packages: ["px-hello"],
      repositories: [{ name: "builds", directory, ...more }],
    })
    const at = "/var/lib/pulumi-xen/repositories/builds"
    const stamps = () => wired.inside(`cd ${at} && stat -c '%n %Y %s' *.${format} | sort`)
    const before = await wired.inside(SETTING)

    await build("px-hello", "1.0")
    await build("px-lib", "1.0")
    const lines = await provider.preview(urn, want())
    t.true(
      lines.some(line =>
        /would send 2 of the 2 packages in .* as the repository builds\. They are trusted by/.test(line),
      ),
      lines.join("\n"),
    )
    const made = await provider.create(urn, want())
    t.like(made.outputs, { versions: { "px-hello": `1.0${release}` }, drift: [] })
    t.deepEqual((made.outputs.added as string[]).toSorted(), ["px-hello", "px-lib"])
    await wired.inside(`cd ${at} && sha256sum --quiet -c SHA256SUMS`)

    const sent = await stamps()
    t.deepEqual(
      (await provider.client.diff(urn, made.id, made, await provider.check(urn, want()))).changes,
      "none",
    )
    t.deepEqual(
      (await provider.client.read(urn, made.id, made)).outputs,
      made.outputs,
      "a refresh finds nothing",
    )

    // A new build: only that is sent, and installed, as the version that the directory has.
    await drop("px-hello", "1.0")
    await build("px-hello", "2.0")
    const diff = await provider.client.diff(urn, made.id, made, await provider.check(urn, want()))
    t.deepEqual(Object.keys(diff.detail).sort(), [
      `repositories[0].contents["${file("px-hello", "1.0")}"]`,
      `repositories[0].contents["${file("px-hello", "2.0")}"]`,
    ])
    const newer = await provider.update(urn, made, want())
    t.like(newer.outputs, { versions: { "px-hello": `2.0${release}` } })
    const lib = (text: string) => text.split("\n").find(line => line.includes("px-lib"))
    t.is(lib(await stamps()), lib(sent), "what was there is not sent again")
    t.is((await stamps()).includes(file("px-hello", "1.0")), false, "what is gone here is gone there")

    // Somebody puts an older version in its place: what the directory has is known without opening it.
    await wired.inside(
      format === "deb"
        ? `dpkg -i /srv/repo/${file("px-hello", "1.0")}`
        : `rpm -U --oldpackage --nosignature /srv/repo/${file("px-hello", "1.0")}`,
    )
    const older = await provider.client.read(urn, made.id, newer)
    t.deepEqual(older.outputs.drift, [`Install px-hello 2.0${release}`])
    await provider.update(urn, { ...newer, ...older }, want())

    // Somebody removes it, or alters it, on the host.
    await wired.inside(`rm ${at}/${file("px-lib", "1.0")}`)
    const read = await provider.client.read(urn, made.id, newer)
    t.deepEqual(read.outputs.drift, [`Send 1 of the 2 packages in ${directory} as the repository builds`])
    const mended = await provider.update(urn, { ...newer, ...read }, want())
    t.deepEqual(mended.outputs, newer.outputs)
    await provider.client.delete(urn, made.id, mended)
    t.is(await wired.inside(SETTING), before)

    // A package whose bytes are not those of the program is not taken by the host, whoever altered it.
    await build("px-other", "1.0")
    const other = { ...want(), packages: ["px-other"] }
    const checked = await provider.check(urn, other)
    await writeFile(join(directory, file("px-other", "1.0")), "altered")
    const altered = await failureOf(provider.client.create(urn, checked))
    t.regex(altered.says, /px-other.* is not what it was when the program was checked/)

    // A single file, such as a release RPM that brings a vendor's repositories with it.
    const source = join(wired.host.root, "srv/repo", file("px-lib", "1.0"))
    const sha256 = execFileSync("sha256sum", [source], { encoding: "utf8" }).slice(0, 64)
    const single = (digest: string) => ({
      connection: { ...wired.connection },
      files: [{ name: "px-lib", source, sha256: digest }],
    })
    const mistaken = await failureOf(provider.create(urn, single("0".repeat(64))))
    t.regex(mistaken.says, /px-lib.*0{64}|SHA-256/)
    const released = await provider.create(urn, single(sha256))
    t.like(released.outputs, { versions: { "px-lib": `1.0${release}` }, added: ["px-lib"] })
    await provider.client.delete(urn, released.id, released)

    if (format === "rpm") {
      await drop("px-other", "1.0")
      await build("px-unsigned", "1.0")
      const unsigned = { ...want({ key }), packages: ["px-unsigned"] }
      const refused = await failureOf(provider.create(urn, unsigned))
      t.regex(refused.says, /sign|GPG/i, "with a key given, signatures count as well")
      const taken = await provider.create(urn, { ...want(), packages: ["px-unsigned"] })
      t.like(taken.outputs, { versions: { "px-unsigned": "1.0-1" } })
    }
    t.true((await readdir(directory)).length > 0)
  })
}

for (const { format, family, file, release } of KINDS) {
  test(`a file of a ${format} on a ${family} host is followed: a newer one, another build of it, an older one`, async t => {
    t.timeout(600_000)
    const wired = await startWiredHost(SETTINGS["systemd-networkd, static"]!)
    t.teardown(() => wired[Symbol.asyncDispose]())
    await makeRepository(wired.host, format, family)
    await wired.inside(REBUILD[format])
    await using provider = await ProviderUnderTest.start()
    const want = (path: string) => {
      const source = join(wired.host.root, "srv", path)
      const sha256 = execFileSync("sha256sum", [source], { encoding: "utf8" }).slice(0, 64)
      return { connection: { ...wired.connection }, files: [{ name: "px-slow", source, sha256 }] }
    }
    const older = `repo/${file("px-slow", "1.0")}`
    const newer = `repo/${file("px-slow", "2.0")}`
    const installed = async () => (await wired.inside("cat /usr/share/px-slow/version")).trim()
    const todo = async (path: string) =>
      (await provider.preview(urn, want(path))).filter(line => line.startsWith("would"))

    let state = await provider.create(urn, want(older))
    t.is(await installed(), "1.0")
    t.deepEqual(state.outputs.added, ["px-slow"])
    for (const [path, content, version] of [
      [newer, "2.0", "2.0"],
      [`again.${format}`, "again", "2.0"],
      [older, "1.0", "1.0"],
    ] as const) {
      t.true(
        (await todo(path)).some(line => line.startsWith("would install px-slow")),
        path,
      )
      state = await provider.update(urn, state, want(path))
      t.is(await installed(), content)
      t.like(state.outputs, {
        versions: { "px-slow": `${version}${release}` },
        added: ["px-slow"],
        drift: [],
      })
      t.deepEqual(await todo(path), [], "a second run does nothing")
      const read = await provider.client.read(urn, state.id, state)
      t.deepEqual(read.outputs, state.outputs, "a refresh finds nothing")
    }
    await provider.client.delete(urn, state.id, state)

    // Whoever has installed it by hand has not said from which file.
    await wired.inside(`${format === "deb" ? "dpkg -i" : "rpm -i --nosignature"} /srv/${newer}`)
    state = await provider.create(urn, want(older))
    t.is(await installed(), "1.0")
    t.like(state.outputs, { added: [], drift: [] })
    t.deepEqual(await todo(older), [])
    await provider.client.delete(urn, state.id, state)
    t.is(await installed(), "1.0", "what was not added stays")
  })
}

test("a directory that cannot be used is a failure of the check, by the path of the repository", async t => {
  await using provider = await ProviderUnderTest.start()
  const nowhere = join(tmpdir(), "px-no-such-directory")
  const connection = { host: "www1.example.org" }
  const check = async (repository: object) =>
    (
      await provider.client.check(urn, {
        connection,
        repositories: [{ name: "own", ...repository }] as never,
      })
    ).failures
  t.deepEqual(
    (await check({ directory: nowhere })).map(({ property }) => property),
    ["repositories[0]"],
  )
  t.regex((await check({ directory: nowhere }))[0]!.reason, /there is none; check the path/)
  const builds = await mkdtemp(join(tmpdir(), "builds-"))
  t.teardown(() => rm(builds, { recursive: true }))
  await writeFile(join(builds, "a.deb"), "")
  const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
  t.deepEqual(await check({ directory: builds, contents: { "a.deb": empty } }), [])
  const [other] = await check({ directory: builds, contents: { "a.deb": "0".repeat(64), "b.deb": empty } })
  t.regex(other!.reason, /is not what contents says: a\.deb has the SHA-256 e3b0.*, b\.deb is missing/)
  t.regex((await check({}))[0]!.reason, /needs either url or directory/)
  t.regex(
    (await check({ url: "https://example.org", directory: nowhere }))[0]!.reason,
    /needs either url or directory/,
  )
})
