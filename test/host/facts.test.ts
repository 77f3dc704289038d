import { readFileSync } from "node:fs"
import test from "ava"
import fc from "fast-check"
import {
  grubEnvironmentProblem,
  parseBlsEntry,
  parseGrubEnvironment,
  parseGrubMenu,
  shellWords,
} from "../../provider/host/facts/grub.ts"
import { nmcliFields, parseResolvConf, parseRoutes } from "../../provider/host/facts/network.ts"
import { familyOf, packageManagerOf, parsePackages } from "../../provider/host/facts/packages.ts"
import { guardState, parseFacts } from "../../provider/host/facts/parse.ts"
import { ProbeFormatError, parseSections } from "../../provider/host/facts/sections.ts"
import type { GuardState } from "../../provider/host/facts/types.ts"
import { exec } from "./helpers/run.ts"

/** Captured from hosts as they are: `sh probe.sh ==MARK full`. */
const captured = (name: string) =>
  parseFacts("host", "==MARK", readFileSync(new URL(`fixtures/${name}.probe`, import.meta.url), "utf8"))

test("a host on systemd-networkd and DHCP is read in full", t => {
  const facts = captured("networkd-dhcp")
  t.is(facts.os.family, "debian")
  t.is(facts.packages.manager, "apt")
  t.is(facts.network.manager, "systemd-networkd")
  t.is(facts.network.uplink, "eth0")
  t.is(facts.network.networkdFiles.eth0, "/etc/systemd/network/eth0.network")
  t.regex(facts.network.dhcpClientIds.eth0 ?? "", /^ff[0-9a-f]{20,}$/)
  const eth0 = facts.network.links.find(({ name }) => name === "eth0")!
  t.is(eth0.mac, "02:00:00:00:00:07")
  t.true(eth0.addresses.some(({ cidr, dynamic }) => cidr === "192.0.2.100/24" && dynamic))
  t.is(facts.boot.init, "systemd")
  t.deepEqual(facts.network.active, ["systemd-networkd"])
  t.deepEqual(facts.network.session, { address: "192.0.2.100", link: "eth0" })
  t.is(facts.packages.installed.dpkg, "1.21.23")
  t.is(facts.cpu.count, 2)
  t.true(facts.boot.bootFree > 0)
  t.regex(facts.boot.bootId, /^[0-9a-f-]{36}$/)
  t.regex(facts.machineId, /^[0-9a-f]{32}$/)
  t.true(facts.clock > 1_700_000_000)
  t.is(facts.xen, undefined)
  t.true(facts.nftables)
  t.true(facts.user.root)
  t.deepEqual(facts.storage.disks, [
    {
      name: "vda",
      size: 274_877_906_944,
      type: "disk",
      mountpoint: "/run/host/incoming",
      filesystem: "ext4",
    },
  ])
})

test("a host on NetworkManager with static addresses is read in full", t => {
  const { network } = captured("networkmanager-static")
  t.is(network.manager, "NetworkManager")
  t.is(network.profiles.eth0?.["ipv4.method"], "manual")
  t.is(network.profiles.eth0?.["ipv4.addresses"], "192.0.2.7/24")
  t.true(
    network.routes.some(
      ({ destination, gateway }) => destination === "198.51.100.0/24" && gateway === "192.0.2.9",
    ),
  )
  t.true(network.routes.some(({ family, destination }) => family === 6 && destination === "default"))
})

const guards: readonly [state: object, boot: string, seen: string][] = [
  [{ state: "reverted", leaving: "boot-1" }, "boot-1", "reverting"],
  [{ state: "reverted", leaving: "boot-1" }, "boot-2", "reverted"],
  [{ state: "reverted" }, "boot-1", "reverted"],
  [{ state: "armed" }, "boot-1", "armed"],
]

test("a guard that is about to restart the machine has not taken its change back until it has restarted", t => {
  for (const [state, boot, seen] of guards) t.is(guardState({ ...state }, boot), seen as GuardState)
})

test("the probe of this machine is whole, in any shell, and changes nothing that it prints", async t => {
  const script = readFileSync(new URL("../../provider/host/facts/probe.sh", import.meta.url))
  for (const shell of [["dash"], ["bash", "--posix"], ["busybox", "sh"]]) {
    const { stdout } = await exec([...shell, "-s", "--", "==MARK", "quick"], { stdin: script })
    const facts = parseFacts("host", "==MARK", stdout)
    t.is(facts.os.kernel, (await exec(["uname", "-r"])).stdout.trim(), shell.join(" "))
    t.true(facts.cpu.count > 0)
    t.true(facts.memory.total > 0)
  }
})

test("sections hold every byte of a file, whatever is in it", t => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "binary" })), contents => {
      const output = [...contents.map((text, at) => `\nMARK-7 file ${at}\n${text}`), "\nMARK-7 end\n"].join(
        "",
      )
      const sections = parseSections("host", "MARK-7", output)
      for (const [at, text] of contents.entries()) t.is(sections.get(`file ${at}`), text)
    }),
  )
})

test("an answer that was cut off anywhere is an error and never half a host", t => {
  const whole = readFileSync(new URL("fixtures/networkd-dhcp.probe", import.meta.url), "utf8")
  const end = whole.lastIndexOf("\n==MARK end")
  fc.assert(
    fc.property(fc.integer({ min: 0, max: end }), length => {
      t.throws(() => parseFacts("host", "==MARK", whole.slice(0, length)), { instanceOf: ProbeFormatError })
    }),
  )
})

const MENU = `set default="0"
if [ "\${next_entry}" ] ; then
   set default="\${next_entry}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="\${saved_entry}"
fi
function gfxmode {
	set gfxpayload="\${1}"
}
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple-UUID' {
	if [ x$grub_platform = xxen ]; then insmod xzio; fi
	linux	/boot/vmlinuz-6.1.0-42-amd64 root=UUID=UUID ro quiet
	initrd	/boot/initrd.img-6.1.0-42-amd64
}
submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option 'gnulinux-advanced-UUID' {
	menuentry 'Debian GNU/Linux, with Linux 6.1.0-42-amd64 (recovery mode)' --class debian $menuentry_id_option 'gnulinux-6.1.0-42-amd64-recovery-UUID' {
		linux	/boot/vmlinuz-6.1.0-42-amd64 root=UUID=UUID ro single
	}
}
menuentry 'Debian GNU/Linux, with Xen hypervisor' --class xen $menuentry_id_option 'xen-gnulinux-simple-UUID' {
	if [ "$grub_platform" = "pc" -o "$grub_platform" = "" ]; then
	    xen_rm_opts=
	else
	    xen_rm_opts="no-real-mode edd=off"
	fi
	multiboot2	/boot/xen-4.17-amd64.gz placeholder dom0_mem=1024M,max:1024M \${xen_rm_opts}
	module2	/boot/vmlinuz-6.1.0-42-amd64 placeholder root=UUID=UUID ro panic=30
	module2	--nounzip	/boot/initrd.img-6.1.0-42-amd64
}
submenu 'Advanced options for Debian GNU/Linux (with Xen hypervisor)' $menuentry_id_option 'gnulinux-advanced-UUID' {
	submenu 'Xen hypervisor, version 4.17-amd64' $menuentry_id_option 'xen-hypervisor-4.17-amd64-UUID' {
		menuentry 'Debian GNU/Linux, with Xen 4.17-amd64 and Linux 6.1.0-42-amd64' $menuentry_id_option 'xen-gnulinux-6.1.0-42-amd64-advanced-UUID' {
			multiboot2	/boot/xen-4.17-amd64.gz placeholder
			module2	/boot/vmlinuz-6.1.0-42-amd64 placeholder root=UUID=UUID ro
		}
	}
}
`

test("what dnf5 keeps at a version is held; what it keeps from one, or in a range, is not", t => {
  // As dnf5-versionlock(8) has it.
  const toml = `version = "1.0"

[[packages]]
name = "xen"
comment = "Added by 'versionlock add' command on 2026-11-30 00:00:00"
[[packages.conditions]]
key = "evr"
comparator = "="
value = "0:4.19.1-1.fc41"

[[packages]]
name = "iftop"
[[packages.conditions]]
key = "evr"
comparator = "!="
value = "0:1.0-0.31.pre4.fc39"

[[packages]]
name = "acpi"
[[packages.conditions]]
key = "evr"
comparator = ">="
value = "3"
`
  const sections = new Map([
    ["package-tools", "dnf5\nrpm"],
    ["file /etc/dnf/versionlock.toml", toml],
  ])
  t.deepEqual(parsePackages(sections, "el").held, ["xen"])
})

test("GRUB's menu is read with its submenus, as grub-mkconfig writes it", t => {
  const menu = parseGrubMenu(MENU)
  t.deepEqual(
    menu.entries.map(({ id, xen, recovery }) => [id, xen, recovery]),
    [
      ["gnulinux-simple-UUID", false, false],
      ["gnulinux-advanced-UUID>gnulinux-6.1.0-42-amd64-recovery-UUID", false, true],
      ["xen-gnulinux-simple-UUID", true, false],
      [
        "gnulinux-advanced-UUID>xen-hypervisor-4.17-amd64-UUID>xen-gnulinux-6.1.0-42-amd64-advanced-UUID",
        true,
        false,
      ],
    ],
  )
  t.is(menu.entries[0]?.options, "root=UUID=UUID ro quiet")
  t.deepEqual(
    menu.entries.map(({ hypervisor }) => hypervisor),
    [undefined, undefined, "/boot/xen-4.17-amd64.gz", "/boot/xen-4.17-amd64.gz"],
  )
  t.is(menu.entries[2]?.linux, "/boot/vmlinuz-6.1.0-42-amd64")
  t.is(menu.entries[2]?.options, "root=UUID=UUID ro panic=30")
  t.true(menu.followsSaved)
  t.true(menu.clearsNext)
})

const BLS: [what: string, file: string, text: string, entry: object][] = [
  [
    "a kernel of EL 9",
    "5b9a-5.14.0-570.el9.x86_64.conf",
    `title Rocky Linux (5.14.0-570.el9.x86_64) 9.6 (Blue Onyx)
version 5.14.0-570.el9.x86_64
linux /vmlinuz-5.14.0-570.el9.x86_64
initrd /initramfs-5.14.0-570.el9.x86_64.img $tuned_initrd
options root=/dev/mapper/rl-root ro crashkernel=1G-4G:192M $tuned_params
grub_users $grub_users
`,
    {
      id: "5b9a-5.14.0-570.el9.x86_64",
      title: "Rocky Linux (5.14.0-570.el9.x86_64) 9.6 (Blue Onyx)",
      xen: false,
      recovery: false,
      linux: "/vmlinuz-5.14.0-570.el9.x86_64",
      options: "root=/dev/mapper/rl-root ro crashkernel=1G-4G:192M $tuned_params",
    },
  ],
  [
    "the rescue kernel",
    "5b9a-0-rescue.conf",
    "title Rocky Linux (0-rescue-5b9a) 9.6\nlinux /vmlinuz-0-rescue-5b9a\n",
    {
      id: "5b9a-0-rescue",
      title: "Rocky Linux (0-rescue-5b9a) 9.6",
      xen: false,
      recovery: true,
      linux: "/vmlinuz-0-rescue-5b9a",
      options: "",
    },
  ],
  ["one that says nothing", "empty.conf", "", { id: "empty", title: "empty", xen: false, recovery: false }],
]
for (const [what, file, text, entry] of BLS)
  test(`an entry of the Boot Loader Specification is read: ${what}`, t => {
    t.deepEqual(
      parseBlsEntry(`/boot/loader/entries/${file}`, text),
      entry as ReturnType<typeof parseBlsEntry>,
    )
  })

test("a menu with a fixed default is told from one that follows its saved entry", t => {
  const fixed = parseGrubMenu(
    MENU.replace('set default="${saved_entry}"', 'set default="1>2"').replace('set default="0"\n', ""),
  )
  t.false(fixed.followsSaved)
  t.is(fixed.fixedDefault, "1>2")
})

test("words of GRUB's language keep their quotes' meaning", t => {
  t.deepEqual(shellWords(`'it'\\''s' "a b" --id x`), ["it's", "a b", "--id", "x"])
})

test("a grubenv is read, and where GRUB cannot write it the reason is told", t => {
  t.deepEqual(parseGrubEnvironment("# GRUB Environment Block\nsaved_entry=a>b\nnext_entry=\n####"), {
    saved_entry: "a>b",
    next_entry: "",
  })
  t.is(grubEnvironmentProblem("/dev/vda1", "ext4", true), undefined)
  const unfit = [
    ["/dev/mapper/vg-root", "ext4"],
    ["/dev/md0", "ext4"],
    ["/dev/vda1", "btrfs"],
    ["", ""],
  ] as const
  for (const [device, type] of unfit) t.truthy(grubEnvironmentProblem(device, type, true), device)
  t.truthy(grubEnvironmentProblem("/dev/vda1", "ext4", false))
})

const MANAGERS: [string, string, string[], string | undefined][] = [
  ["debian", "", ["apt-get", "dpkg", "dpkg-database"], "apt"],
  ["debian", "", ["apt-get", "dpkg", "dpkg-database", "dnf", "rpm"], "apt"],
  ["rocky", "rhel centos fedora", ["dnf", "yum", "rpm", "rpm-database"], "dnf"],
  ["centos", "rhel fedora", ["yum", "rpm", "rpm-database"], "yum"],
  ["fedora", "", ["dnf5", "rpm", "apt-get", "dpkg"], "dnf"],
  ["opensuse-leap", "suse opensuse", ["zypper", "rpm", "dnf"], "zypper"],
  ["slackware", "", [], undefined],
]

for (const [id, like, tools, expected] of MANAGERS)
  test(`the package manager of ${id} with ${tools.join(", ") || "nothing"} is ${expected ?? "unknown"}`, t => {
    t.is(packageManagerOf(tools, familyOf(id, like)), expected as never)
  })

test("nmcli's escaped colons belong to the field", t => {
  t.deepEqual(nmcliFields("eth0:connected:Wired\\: one"), ["eth0", "connected", "Wired: one"])
})

test("of the main table alone, a multipath route counts as one for each of its ways, and resolv.conf's last search wins", t => {
  const json = JSON.stringify([
    {
      dst: "default",
      table: "main",
      pref: "medium",
      nexthops: [
        { gateway: "fe80::1", dev: "eth0" },
        { gateway: "fe80::1", dev: "br0" },
      ],
    },
    { dst: "192.0.2.0/24", table: "main", dev: "eth0" },
    { dst: "192.0.2.7", table: "local", dev: "eth0" },
  ])
  t.deepEqual(
    parseRoutes(json).map(({ family, destination, link }) => [family, destination, link]),
    [
      [6, "default", "eth0"],
      [6, "default", "br0"],
      [4, "192.0.2.0/24", "eth0"],
    ],
  )
  t.deepEqual(parseResolvConf("domain a\nnameserver 192.0.2.1\n# nameserver 192.0.2.2\nsearch b c\n"), {
    servers: ["192.0.2.1"],
    search: ["b", "c"],
  })
})
