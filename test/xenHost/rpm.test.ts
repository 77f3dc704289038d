import anyTest, { type TestFn } from "ava"
import { keyFingerprint } from "../../provider/host/packages/openpgp.ts"
import { bareMachine, type TestMachine } from "../helpers/lab.ts"
import { PulumiStack } from "../helpers/pulumiStack.ts"

// One machine goes through all of it, in the order of the file: a boot is what is dear.
const test = anyTest.serial as TestFn
let machine: TestMachine
let stack: PulumiStack
let bare: string
let armoured: string

const up = ["up", "--yes", "--skip-preview"]
const restart = 15 * 60_000

/** In software emulation dom0 takes minutes for GRUB's menu alone, and that is part of the time. */
const patient = { window: 1500 }

/** What must be as it was, in the end. */
const PLAIN = `
uname -r
md5sum /etc/NetworkManager/system-connections/* /etc/default/grub
ls /sys/class/net | sort
ip -4 -o addr show scope global | awk '{print $2, $4}'
ip -4 route show default | sed 's/ metric.*//; s/ proto [^ ]*//; s/ src [^ ]*//'
rpm -qa | sort
ls /etc/yum.repos.d /etc/pki/rpm-gpg 2>/dev/null || :
find /var/lib/pulumi-xen -type f ! -name lock ! -path '*/guard/*' 2>/dev/null || :
`
type Repository = "signed" | "unsigned" | "altered"
const repositories = () => machine.host.repositories!
const want = (repository: Repository, more: object = {}) => {
  const key = { armoured, fingerprint: keyFingerprint(armoured) }
  const packages = { repositories: [{ name: "lab", url: repositories()[repository], key, ...more }] }
  return stack.configure({ hosts: { www1: { ...machine.host, memory: 1024, dom0: patient, packages } } })
}

test.before(async t => {
  t.timeout(2 * restart)
  machine = await bareMachine("rpm")
  bare = await machine.run(PLAIN)
  const fetch = "import sys, urllib.request as u; sys.stdout.write(u.urlopen(sys.argv[1]).read().decode())"
  armoured = await machine.run(`python3 -c '${fetch}' ${repositories().key}`)
  stack = await PulumiStack.create("xenHost")
})
test.after.always(async () => {
  await machine?.[Symbol.asyncDispose]()
  await stack?.remove()
})

test("a repository without a key is refused before anything is changed", async t => {
  t.timeout(restart)
  await want("signed", { key: undefined })
  const { exit, stdout, stderr } = await stack.run(["preview"])
  t.not(exit, 0)
  t.regex(stdout + stderr, /The repository lab has no key/)
  t.is(await machine.run(PLAIN), bare)
})

for (const [repository, what] of [
  ["unsigned", "packages without a signature"],
  ["altered", "a package that was altered after it was signed"],
] as const) {
  test(`${what}: dnf refuses it, and no package of Xen is installed`, async t => {
    t.timeout(restart)
    await want(repository)
    const { exit, stdout, stderr } = await stack.run(up)
    t.log(stdout + stderr)
    t.not(exit, 0)
    t.regex(stdout + stderr, /Install xen/)
    t.is(await machine.run("rpm -qa | grep -c '^xen' || :"), "0\n")
  })
}

test("the run after that, with the signed repository, makes a Xen host of the machine", async t => {
  t.timeout(3 * restart)
  await want("signed")
  const { stdout } = await stack.succeed(up)
  t.log(stdout)
  t.regex(await machine.run("cat /proc/xen/capabilities"), /control_d/)
  t.regex(await machine.run("xl list"), /Domain-0\s+0\s+1024/)
  t.regex(await machine.run("ip -4 route show default"), /dev xenbr0/)
  t.regex(await machine.run("nmcli -t -f DEVICE,TYPE,STATE device"), /xenbr0:bridge:connected/)
})

test("the second up does nothing, and refresh finds no drift", async t => {
  t.timeout(restart)
  t.regex((await stack.succeed(up)).stdout, /5 unchanged/)
  await stack.succeed(["refresh", "--yes", "--skip-preview", "--expect-no-changes"])
})

test("destroy gives the machine back as it was", async t => {
  t.timeout(2 * restart)
  await stack.succeed(["destroy", "--yes", "--skip-preview"])
  t.is(await machine.run(PLAIN), bare)
})
