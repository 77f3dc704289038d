import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import anyTest, { type TestFn } from "ava"
import { Secret } from "../../provider/secret.ts"
import { failureOf, ProviderUnderTest } from "../helpers/provider.ts"
import { startWiredHost, type WiredHost } from "../helpers/wiredHost.ts"
import { makeRepository } from "../host/helpers/repository.ts"
import { SETTINGS } from "../host/helpers/settings.ts"

const test = anyTest.serial as TestFn
let provider: ProviderUnderTest
let wired: WiredHost
let key: { armoured: string; fingerprint: string }

const urn = "urn:pulumi:s::p::xen:index:Packages::tools"
const other = "urn:pulumi:s::p::xen:index:Packages::others"
const own = () => ({ name: "own", url: "file:///srv/repo", key })
const directory = () => ({ name: "own", directory: join(wired.host.root, "srv/repo") })
const want = (more: object = {}) => ({
  connection: { ...wired.connection },
  packages: ["px-hello"],
  repositories: [own()],
  ...more,
})

/** Holds apt's lock for some seconds, as apt's timers do on a machine that has just been made. */
const DAILY = `
perl -e 'use Fcntl; open(F, "+>>", "/var/lib/apt/lists/lock") or die; my $all = pack("s s x4 q q i", F_WRLCK, 0, 0, 0, 0); fcntl(F, F_SETLK, $all) or die; sleep 8'
`

/** All that a set could change. */
const SETTING = `
dpkg-query -W
find /etc/apt /var/lib/pulumi-xen -type f ! -name lock 2>/dev/null | sort || :
`

// What Xen's packages need of a machine: GRUB's menu, on a file system that GRUB can write. That of a namespace is an
// overlay, and df(1) is made to say otherwise.
const BOOT = `
mkdir -p /boot/grub
cat > /boot/grub/grub.cfg <<'END'
set next_entry=
save_env next_entry
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple-1' {
	linux	/boot/vmlinuz-6.1.0 root=/dev/vda1 ro
}
END
mv /usr/bin/df /usr/bin/df.own
printf '#!/bin/sh\\ndf.own "$@" | sed s/overlay/ext4/g\\n' >/usr/bin/df
chmod +x /usr/bin/df`

test.before(async t => {
  t.timeout(300_000)
  wired = await startWiredHost(SETTINGS["systemd-networkd, static"]!)
  key = await makeRepository(wired.host, "deb", "debian")
  await wired.inside(BOOT)
  provider = await ProviderUnderTest.start()
})
test.after.always(async () => {
  await provider?.[Symbol.asyncDispose]()
  await wired?.[Symbol.asyncDispose]()
})

const refused: [what: string, more: () => object, says: RegExp, arrange?: string, restore?: string][] = [
  [
    "a repository without a key",
    () => ({ repositories: [{ name: "own", url: "file:///srv/repo" }] }),
    /own has no key.*allowUnsigned: true/s,
  ],
  [
    "a key that has not the fingerprint that was said",
    () => ({ repositories: [{ ...own(), key: { ...key, fingerprint: "0".repeat(40) } }] }),
    /has the fingerprint [0-9A-F]{40}, and not 0{40}/,
  ],
  [
    "a package that no repository offers",
    () => ({ repositories: [], packages: ["px-nowhere"] }),
    /offer no package px-nowhere/,
  ],
  [
    "a package that neither the directory nor the host's repositories offer",
    () => ({ repositories: [directory()], packages: ["px-hello", "px-nowhere"] }),
    /^(?!.*px-hello).*offer no package px-nowhere/s,
  ],
  [
    "Xen on a machine without GRUB",
    () => ({ xen: true }),
    /No GRUB menu was found in/,
    "mv /boot/grub /boot/away",
    "mv /boot/away /boot/grub",
  ],
  [
    "Xen where /boot is full",
    () => ({ xen: true }),
    /\/boot has \d+ MiB left/,
    "cp -r /boot /root/boot && mount -t tmpfs -o size=8m tmpfs /boot && cp -r /root/boot/. /boot",
    "umount /boot && rm -r /root/boot",
  ],
  [
    "Xen where GRUB cannot write its grubenv",
    () => ({ xen: true }),
    /GRUB cannot take back a one-shot boot here/,
    "mv /usr/bin/df /root && cp /usr/bin/df.own /usr/bin/df",
    "mv /root/df /usr/bin",
  ],
  [
    "Xen where neither the directory nor the host's repositories offer it",
    () => ({ repositories: [directory()], packages: [], xen: true }),
    /offer no package xen-system-amd64/,
  ],
  [
    "Xen where no repository offers it",
    () => ({ repositories: [], packages: [], xen: true }),
    /offer no package xen-system-amd64/,
  ],
]
for (const [what, more, says, arrange = "", restore = ""] of refused) {
  test(`${what} is refused in a sentence, before anything is changed`, async t => {
    await wired.inside(arrange)
    const before = await wired.inside(SETTING)
    const failed = await failureOf(provider.create(urn, want(more())))
    t.regex(failed.says, says)
    t.is(failed.saved, undefined)
    t.is(await wired.inside(SETTING), before)
    await wired.inside(restore)
  })
}

test("what is no name, no version and no digest is refused by the check, with the path of the input", async t => {
  const { failures } = await provider.client.check(urn, {
    ...want({
      packages: ["--force", { name: "xen", version: "1; rm" }],
      files: [{ name: "x", source: "x.deb", sha256: "ABC" }],
    }),
  })
  t.deepEqual(failures.map(({ property }) => property).sort(), [
    "files[0].sha256",
    "packages[0]",
    "packages[1].version",
  ])
})

test("a preview says what would be installed and from where, and does nothing", async t => {
  const before = await wired.inside(SETTING)
  const lines = await provider.preview(urn, want())
  t.true(
    lines.some(line => line === "would install px-hello"),
    lines.join("\n"),
  )
  t.true(lines.some(line => line.includes("own (file:///srv/repo)")))
  t.is(await wired.inside(SETTING), before)
})

test("what the host's lists do not know is told by the preview, which fetches none", async t => {
  const lists = "rm -rf /var/lib/apt/lists/*"
  const look = (...packages: string[]) => provider.preview(urn, want({ packages, repositories: [] }))
  await wired.inside(`
    ${lists}
    echo 'deb [trusted=yes] file:///srv/repo ./' >/etc/apt/sources.list.d/near.list`)
  t.deepEqual(await look("px-nowhere"), ["would install px-nowhere"], "without lists it cannot be told")
  await wired.inside("apt-get -q update")
  const before = await wired.inside("find /var/lib/apt/lists -newermt @1 -printf '%p %C@\\n' | sort")
  t.deepEqual(await look("px-hello"), ["would install px-hello"])
  const [plan, warning] = await look("px-hello", "px-nowhere")
  t.is(plan, "would install px-hello, px-nowhere")
  t.regex(warning ?? "", /its package repositories do not know px-nowhere: they are fetched anew before/)
  t.is(await wired.inside("find /var/lib/apt/lists -newermt @1 -printf '%p %C@\\n' | sort"), before)
  await wired.inside(`${lists} /etc/apt/sources.list.d/near.list`)
})

test("the password of a repository is shown by nothing that fails, and is for root alone on the host", async t => {
  t.timeout(300_000)
  // Nobody listens there; apt says in its error whom it has asked.
  const url = "http://anna:hunter2%40home@127.0.0.1:9/deb"
  const from = provider.engine.lines.length
  const given = (packages: string[]) =>
    want({ packages, repositories: [{ name: "own", url, allowUnsigned: true }] })
  const made = await provider.create(urn, given([]))
  t.deepEqual(made.inputs.repositories, [{ name: "own", url: new Secret(url), allowUnsigned: true }])
  t.deepEqual(made.outputs.versions, {}, "what does not tell it is open")
  const failed = await failureOf(provider.update(urn, made, given(["px-hello"])))
  t.regex(failed.says, /127\.0\.0\.1/)
  const told = [failed.says, ...provider.engine.lines.slice(from).map(({ message }) => message)].join("\n")
  t.notRegex(told, /hunter2/)
  t.true(told.includes("own (http://[secret]@127.0.0.1:9/deb)"), told)
  const path = "/etc/apt/sources.list.d/pulumi-xen-own.sources"
  t.is(await wired.inside(`stat -c '%a %U' ${path} && grep -c hunter2 ${path}`), "600 root\n1\n")
  await provider.client.delete(urn, made.id, made)
})

for (const [what, more, says] of [
  [
    "has not what it is added for",
    () => ({ packages: ["px-hello", "px-nowhere", "px-gone"] }),
    /do not offer px-nowhere px-gone/,
  ],
  [
    "does not answer",
    () => ({ repositories: [{ ...own(), url: "http://127.0.0.1:9/deb" }] }),
    /127\.0\.0\.1/,
  ],
] as const)
  test(`a new repository that ${what} is taken back at once, and no package is installed`, async t => {
    t.timeout(300_000)
    const setting = "dpkg-query -W; find /etc/apt -type f | xargs md5sum"
    const before = await wired.inside(setting)
    const failed = await failureOf(provider.create(urn, want(more())))
    t.regex(failed.says, says)
    t.regex(failed.says, /Add the package repositories own .*What this step had added was taken back\./s)
    t.is(await wired.inside(setting), before)
    const made = await provider.create(urn, want())
    t.like(made.outputs, { versions: { "px-hello": "2.0" } })
    const changed = await failureOf(provider.update(urn, made, want({ ...more(), packages: ["px-nowhere"] })))
    t.regex(changed.says, what === "does not answer" ? /taken back/ : /offer no package px-nowhere/)
    t.deepEqual(
      (await provider.client.read(urn, made.id, made)).outputs.drift,
      [],
      "what was there is there again",
    )
    await provider.client.delete(urn, made.id, made)
  })

test("on a host that knows of no packages yet, the lists are fetched once: to look, and to install", async t => {
  t.timeout(300_000)
  // In front of apt-get stands what writes down how it was called.
  const spy = "/usr/local/bin/apt-get"
  await wired.inside(`
    echo 'deb [trusted=yes] file:///srv/repo ./' >/etc/apt/sources.list.d/near.list
    rm -rf /var/lib/apt/lists/*
    printf '#!/bin/sh\\necho "$*" >>/tmp/calls\\nexec /usr/bin/apt-get "$@"\\n' >${spy}
    chmod +x ${spy}`)
  const [made] = await Promise.all([provider.create(urn, want({ repositories: [] })), wired.inside(DAILY)])
  t.deepEqual(made.outputs.added, ["px-hello", "px-lib"])
  const calls = await wired.inside("cat /tmp/calls")
  t.is(calls.match(/ update /g)?.length, 1, calls)
  t.true(
    provider.engine.lines.some(({ message }) => message === "fetching the lists of packages"),
    "who waits for it is told",
  )
  const waiting =
    /^fetching the lists of packages: waiting for another package manager: perl .*\(process \d+\)$/
  t.true(
    provider.engine.lines.some(({ message }) => waiting.test(message)),
    "and for whom, where another one is at it",
  )
  const told = provider.engine.lines.map(({ message }) => message)
  const [installing, looking] = [/^Install px-hello/, /^looking whether the host is as wanted$/].map(line =>
    told.findLastIndex(message => line.test(message)),
  )
  t.true(looking! > installing! && installing! >= 0, "it is told that the installation is over")

  const more = { packages: ["px-hello", "px-other"], repositories: [] }
  await provider.create(urn, want(more))
  const later = await wired.inside("cat /tmp/calls")
  t.is(later.match(/ update /g)?.length, 2, "lists that were there may be old, and are fetched to install")

  await provider.client.delete(urn, made.id, made)
  await wired.inside(`rm ${spy} /tmp/calls /etc/apt/sources.list.d/near.list; rm -rf /var/lib/apt/lists/*`)
})

test("a set's life: installed with what it needs, found again, mended, and just that removed", async t => {
  t.timeout(300_000)
  const before = await wired.inside(SETTING)
  const made = await provider.create(urn, want())
  t.like(made.outputs, { manager: "apt", versions: { "px-hello": "2.0" }, drift: [] })
  t.deepEqual(made.outputs.added, ["px-hello", "px-lib"])
  t.true(
    provider.engine.lines.some(
      ({ message, ephemeral }) =>
        ephemeral && /^Install px-hello.*: (downloading|unpacking|installing)[: ]/.test(message),
    ),
    `pulumi up shows how far it is: ${JSON.stringify(provider.engine.lines.map(line => line.message))}`,
  )

  const again = await provider.create(urn, want())
  t.deepEqual(
    [again.id, again.outputs],
    [made.id, made.outputs],
    "what an interrupted run has made is taken up",
  )
  const shared = await failureOf(provider.create(other, want({ packages: [] })))
  t.regex(shared.says, /The repository own was added by another set of packages/)

  t.deepEqual(
    (await provider.client.read(urn, made.id, made)).outputs,
    made.outputs,
    "a refresh finds nothing",
  )
  await wired.inside("dpkg --purge px-hello")
  const drifted = { ...made, ...(await provider.client.read(urn, made.id, made)) }
  t.deepEqual(drifted.outputs.drift, ["Install px-hello"])
  const mended = await provider.update(urn, drifted, want())
  t.deepEqual(mended.outputs, made.outputs)

  const older = want({ packages: [{ name: "px-hello", version: "1.0", hold: true }] })
  const pinned = await provider.update(urn, mended, older)
  t.like(pinned.outputs, { versions: { "px-hello": "1.0" } })
  t.is((await wired.inside("apt-mark showhold")).trim(), "px-hello")

  await provider.client.delete(urn, made.id, pinned)
  t.is(await wired.inside(SETTING), before)
  t.is(await wired.inside("apt-mark showhold"), "")
})

test("what is installed is imported by its names, held as it is; under its old name a set finds what it had added", async t => {
  t.timeout(300_000)
  const { host, port, user, hostKey, privateKeyPath } = wired.connection
  const known = join(await mkdtemp(join(tmpdir(), "import-")), "known_hosts")
  t.teardown(() => rm(dirname(known), { recursive: true }))
  await writeFile(known, `[${host}]:${port} ${hostKey}\n`)
  const id = (names: string) => `ssh://${user}@${host}:${port}/packages/${names}`
  await using importer = await ProviderUnderTest.start()
  await importer.client.configure({ privateKeyPath, knownHosts: [known] })

  const made = await provider.create(urn, want({ packages: [{ name: "px-hello", hold: true }] }))
  const found = await importer.client.read(urn, id("px-hello,dpkg"))
  t.is(found.id, made.id)
  t.like(found.inputs, { packages: [{ name: "px-hello", hold: true }, "dpkg"], xen: false })
  t.deepEqual(found.outputs.added, ["px-hello", "px-lib"])

  const absent = await failureOf(importer.client.read(urn, id("dpkg,px-nowhere")))
  t.regex(absent.says, /has not installed px-nowhere/)
  const odd = await failureOf(importer.client.read(urn, id("--force")))
  t.regex(odd.says, /must be names of packages/)
  await provider.client.delete(urn, made.id, made)
})

test("a user who may not become root is told so, by the preview as well, and nothing is tried", async t => {
  await wired.inside(`
    useradd --create-home anna
    install -d -m 700 -o anna /home/anna/.ssh
    install -m 600 -o anna /root/.ssh/authorized_keys /home/anna/.ssh/authorized_keys`)
  const before = await wired.inside(SETTING)
  const anna = { ...wired.connection, user: "anna" }
  const asHerself = { ...anna, sudo: false }
  for (const [connection, says] of [
    [
      anna,
      /^sudo on anna@\S+ does not run commands without a password\. Give sudoPassword, or allow NOPASSWD/,
    ],
    [asHerself, /: anna is not root here.* Connect as root/],
  ] as const) {
    t.regex((await failureOf(provider.preview(urn, want({ connection })))).says, says)
    t.regex((await failureOf(provider.create(urn, want({ connection })))).says, says)
  }
  t.is(await wired.inside(SETTING), before)
})
