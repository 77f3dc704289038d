import { readFileSync } from "node:fs"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import anyTest, { type TestFn } from "ava"
import fc from "fast-check"
import { parseFacts } from "../../provider/host/facts/parse.ts"
import { must } from "./helpers/run.ts"

const test = anyTest as TestFn<{ directory: string }>
const SCRIPT = readFileSync(new URL("../../provider/host/facts/probe.sh", import.meta.url), "utf8")

/** The facts of this machine, asked after `prepare` has changed what mounts of its own can change. */
async function factsAfter(prepare: string, { packages = [] as string[], directory = "" } = {}) {
  const within = ["unshare", "--mount", "sh", "-c", `${prepare}\nexec sh -s -- "$@"`, directory]
  const output = await must([...within, "== a mark", "quick", ...packages], SCRIPT)
  return parseFacts("host", "== a mark", output)
}

test.beforeEach(async t => {
  t.context.directory = await mkdtemp(join(tmpdir(), "probe-"))
})
test.afterEach.always(t => rm(t.context.directory, { recursive: true, force: true }))

test("files arrive byte by byte, whatever is in them, and an empty one is not a missing one", async t => {
  const { directory } = t.context
  const names = ["a", "b", "c", "d", "e"]
  const content = fc.oneof(
    fc.constant(""),
    fc.constant("no newline at the end"),
    fc.string({ unit: "binary" }).map(text => text.replaceAll("\0", "")),
    fc
      .array(fc.constantFrom("\n", "\n\n", "== a mark", "== ", "= =", "\\n", "%s", " ", "\r"))
      .map(all => all.join("")),
  )
  const mark = /== a mark/
  const contents = fc.array(
    content.filter(text => !mark.test(text)),
    { minLength: names.length, maxLength: names.length },
  )
  await fc.assert(
    fc.asyncProperty(contents, async texts => {
      for (const [at, text] of texts.entries()) await writeFile(join(directory, `${names[at]}.json`), text)
      const { files } = await factsAfter(
        'mkdir -p /var/lib/pulumi-xen && mount -t tmpfs tmpfs /var/lib/pulumi-xen && mkdir /var/lib/pulumi-xen/packages && cp "$0"/*.json /var/lib/pulumi-xen/packages',
        { directory },
      )
      for (const [at, text] of texts.entries())
        t.is(files[`/var/lib/pulumi-xen/packages/${names[at]}.json`], text)
      t.is(files["/var/lib/pulumi-xen/packages/f.json"], undefined)
    }),
    { numRuns: 25 },
  )
})

/** In a file of its own each; what is struck out is marked. */
const KEYS: [what: string, lines: string][] = [
  ["a passphrase of a wireless network", "-  wpa-PSK sesame\n  wpa-ssid home\n  address 192.0.2.7/24\n"],
  ["keys of 802.1X", "-wpa-password sesame\n-wpa-private-key-passwd sesame\nwpa-identity host\n"],
  ["keys of WEP", "-\twireless-key1 s:sesame\n-wireless-enc sesame\nwireless-essid a secret\n"],
  ["a key of WireGuard", "[WireGuard]\n-PrivateKey=sesame\n-PresharedKey = sesame\nListenPort=51820\n"],
  ["a key of MACsec", "[MACsecTransmitAssociation]\n-Key=00112233\n"],
  ["what is commented out", "-#wpa-psk sesame\n-  ; password=sesame\n# a password = stays out\n"],
  ["what goes on in the next line", "-wpa-psk \\\n-  se\\\n-  same\naddress 192.0.2.7/24 \\\nnetmask 24\n"],
  ["an argument of a command", "-up iwconfig wlan0 key s:se\n-pre-up x --password a/b\n-up A_PSK=x /bin/y\n"],
  ["a command whose path says so", "post-up /root/secret.sh\npre-down /etc/keys/psk -v\nup monkey eth0\n"],
  ["no newline at the end", "iface eth0 inet dhcp"],
  ["a key without a newline at its end", "iface eth0 inet dhcp\n-psk sesame"],
  ["nothing but a key", "-psk sesame\n"],
  ["nothing", ""],
]

test("a network's configuration is read without its keys, byte by byte else, and it is known which lines are missing", async t => {
  const { directory } = t.context
  for (const [at, [, lines]] of KEYS.entries())
    await writeFile(join(directory, String(at)), lines.replaceAll(/^-/gm, ""))
  const { network } = await factsAfter(
    `mount -t tmpfs tmpfs /mnt && mkdir /mnt/upper /mnt/work
    mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work /etc
    rm -rf /etc/network && mkdir -p /etc/network/interfaces.d && cp "$0"/* /etc/network/interfaces.d`,
    { directory },
  )
  for (const [at, [what, lines]] of KEYS.entries()) {
    const path = `/etc/network/interfaces.d/${at}`
    const struck = lines.split("\n").flatMap((line, number) => (line.startsWith("-") ? [number + 1] : []))
    t.is(network.files[path], lines.replaceAll(/^-.*\n?/gm, ""), what)
    t.deepEqual(network.unread?.[path], struck.length > 0 ? struck : undefined, what)
  }
  t.notRegex(JSON.stringify(network), /sesame/)
})

test("the installed packages are what dpkg-query says", async t => {
  const format = "${db:Status-Status} ${Package} ${Version}\\n"
  const output = await must(["dpkg-query", "-W", "-f", format])
  const rows = output.split("\n").filter(line => line.startsWith("installed "))
  const expected = rows.map(line => line.split(" ").slice(1) as [string, string])
  t.true(expected.length > 50)
  const { packages } = await factsAfter("", { packages: expected.map(([name]) => name) })
  t.deepEqual(packages.installed, Object.fromEntries(expected))
})

test("what an interrupted dpkg has left beside its database counts, as it does for dpkg", async t => {
  const stanza = (await readFile("/var/lib/dpkg/status", "utf8"))
    .split("\n\n")
    .find(one => one.startsWith("Package: dpkg\n"))!
  const { directory } = t.context
  await writeFile(join(directory, "0001"), `${stanza.replace("ok installed", "ok half-configured")}\n`)
  const leave = 'mount -t tmpfs tmpfs /var/lib/dpkg/updates && cp "$0/0001" /var/lib/dpkg/updates/0001'
  const { packages } = await factsAfter(leave, { packages: ["dpkg"], directory })
  t.deepEqual(packages.broken, ["dpkg"])
  t.is(packages.installed.dpkg, undefined)
})

const RPM = (body: string) => `
  mount -t tmpfs tmpfs /var/lib/dpkg
  printf 'ID=rocky\\n' >"$0/os-release" && mount --bind "$0/os-release" /usr/lib/os-release
  printf '%s\\n' '#!/bin/sh' '${body}' >"$0/rpm" && chmod 755 "$0/rpm"
  if [ -e /usr/bin/rpm ]; then mount --bind "$0/rpm" /usr/bin/rpm; else PATH=$PATH:$0; fi`

test("a database of RPMs that knows rpm is whole, and one that cannot be read is not", async t => {
  const { directory } = t.context
  const whole = await factsAfter(RPM('[ "$*" = "-q rpm" ] || exit 1'), { directory })
  t.deepEqual(whole.packages.broken, [])
  const torn = await factsAfter(RPM("echo error: rpmdb: damaged header >&2; exit 1"), { directory })
  t.deepEqual(torn.packages.broken, ["the RPM database"])
})
