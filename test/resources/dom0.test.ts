import anyTest, { type TestFn } from "ava"
import { failureOf, ProviderUnderTest } from "../helpers/provider.ts"
import { startWiredHost, type WiredHost } from "../helpers/wiredHost.ts"
import { SETTINGS } from "../host/helpers/settings.ts"

const test = anyTest.serial as TestFn
let provider: ProviderUnderTest
let wired: WiredHost

const urn = "urn:pulumi:s::p::xen:index:Dom0::www1"
const want = (more: object = {}) => ({ connection: { ...wired.connection }, memory: 512, ...more })

// A namespace has no boot loader of its own: its menu is written, and looked at, and never booted.
const MENU = `
mkdir -p /boot/grub
cat > /boot/grub/grub.cfg <<'END'
if [ "\${next_entry}" ] ; then
   set default="\${next_entry}"
   set next_entry=
   save_env next_entry
else
   set default="0"
fi
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple-1' {
	linux	/boot/vmlinuz-6.1.0 root=/dev/vda1 ro
}
END
`
const SETTING = `
find /boot /etc/default /etc/systemd/system /etc/modules-load.d /var/lib/pulumi-xen -type f ! -name lock 2>/dev/null |
  sort | xargs md5sum`

test.before(async t => {
  t.timeout(300_000)
  wired = await startWiredHost(SETTINGS["systemd-networkd, static"]!)
  provider = await ProviderUnderTest.start()
})
test.after.always(async () => {
  await provider?.[Symbol.asyncDispose]()
  await wired?.[Symbol.asyncDispose]()
})

test("a machine without GRUB is refused in a sentence: nothing else could take a failed boot back", async t => {
  const failed = await failureOf(provider.create(urn, want()))
  t.regex(failed.says, /No GRUB menu was found in \/boot\/grub or \/boot\/grub2/)
  await wired.inside(MENU)
})

test("Xen that is neither installed nor on offer is refused, and not by the preview: another resource may install it", async t => {
  const before = await wired.inside(SETTING)
  const lines = await provider.preview(urn, want()).catch(error => [String(error)])
  t.notRegex(lines.join("\n"), /Neither is Xen installed/)
  const failed = await failureOf(provider.create(urn, want()))
  t.regex(failed.says, /Neither is Xen installed nor do the repositories offer it/)
  t.is(await wired.inside(SETTING), before)
})

const refused: [what: string, more: () => object, says: RegExp, arrange?: string, restore?: string][] = [
  [
    "more memory for dom0 than the machine has",
    () => ({ memory: 9_000_000 }),
    /dom0 is to have 9000000 MiB, but the machine has \d+ MiB/,
  ],
  ["less memory for dom0 than it boots with", () => ({ memory: 16 }), /16 MiB, and would not boot/],
  [
    "a restart that the program refuses",
    () => ({ reboot: "refuse" }),
    /would have to restart \(Xen is not running\), and restarts are refused/,
  ],
  // The namespace's file system is an overlay, which GRUB reads and cannot write.
  ["a grubenv that GRUB cannot write", () => ({}), /GRUB cannot take back a one-shot boot here/],
  [
    "a full /boot",
    () => ({}),
    /\/boot has \d+ MiB left/,
    "cp -r /boot /root/boot && mount -t tmpfs -o size=8m tmpfs /boot && cp -r /root/boot/. /boot",
    "umount /boot && rm -r /root/boot",
  ],
  [
    "an operating system that nothing is known of",
    () => ({}),
    /has none of apt, dnf, yum and zypper/,
    "for one in apt-get dnf zypper; do mv /usr/bin/$one /usr/bin/$one.away; done",
    "for one in apt-get dnf zypper; do mv /usr/bin/$one.away /usr/bin/$one; done",
  ],
  [
    "a processor without VT-x and AMD-V where HVM guests are wanted",
    () => ({ hvm: true }),
    /the CPU has neither VT-x nor AMD-V, or the firmware has it off/,
    "sed '/^flags/ s/ \\(vmx\\|svm\\)\\b//g' /proc/cpuinfo >/run/cpuinfo && mount --bind /run/cpuinfo /proc/cpuinfo",
    "umount /proc/cpuinfo",
  ],
  [
    "a user who is not root, and may not become it,",
    () => ({ connection: { ...wired.connection, user: "anna" } }),
    /sudo on anna@\S+ does not run commands without a password\. Give sudoPassword/,
    `useradd --create-home anna
    install -d -m 700 -o anna /home/anna/.ssh
    install -m 600 -o anna /root/.ssh/authorized_keys /home/anna/.ssh/authorized_keys`,
  ],
  [
    "a user who is not root, and does not want to become it,",
    () => ({ connection: { ...wired.connection, user: "anna", sudo: false } }),
    /: anna is not root here.* Connect as root/,
  ],
]
for (const [what, more, says, arrange = "", restore = ""] of refused) {
  test(`${what} is refused in a sentence, before anything is changed, and by the preview as well`, async t => {
    await wired.inside(arrange)
    const before = await wired.inside(SETTING)
    t.regex((await failureOf(provider.preview(urn, want(more())))).says, says)
    const failed = await failureOf(provider.create(urn, want(more())))
    t.regex(failed.says, says)
    t.is(failed.saved, undefined)
    t.is(await wired.inside(SETTING), before)
    await wired.inside(restore)
  })
}

test("an option that is more than one word is refused by the check", async t => {
  const { failures } = await provider.client.check(urn, want({ xenOptions: ["loglvl=all", "a b"] }))
  t.deepEqual(
    failures.map(({ property }) => property),
    ["xenOptions[1]"],
  )
})
