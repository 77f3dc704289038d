import test from "ava"
import { bareMachine, type TestMachine, TURN } from "../helpers/lab.ts"

let machine: TestMachine

test.before(async t => {
  t.timeout(TURN)
  machine = await bareMachine("rpm")
})

test.after.always(async () => {
  await machine?.[Symbol.asyncDispose]()
})

/** The repository as an administrator would write it down, checked as strictly as dnf can. */
const repository = (name: string, url: string, repoGpgcheck = 1) => `
cat > /etc/yum.repos.d/${name}.repo << END
[${name}]
name=${name}
baseurl=${url}
gpgcheck=1
repo_gpgcheck=${repoGpgcheck}
gpgkey=${machine.host.repositories!.key}
END
`

const dnf = (name: string, command: string) => `dnf -y --disablerepo='*' --enablerepo=${name} ${command} 2>&1`

test.serial("its commands, names and places are those of the EL family", async t => {
  const said = await machine.run(`
    . /etc/os-release; echo "$ID_LIKE"
    cat /etc/redhat-release
    for name in dnf rpm zypper nmcli grub2-mkconfig grub2-reboot grub2-set-default grub2-editenv; do command -v $name > /dev/null || echo no $name; done
    for name in apt apt-get dpkg update-grub grub-mkconfig grub-reboot ifup; do ! command -v $name || echo $name; done
    rpm -q lab-release --queryformat '%{NAME}\\n'
    grub2-editenv /boot/grub2/grubenv list; test -f /boot/grub2/grub.cfg
    readlink -f /etc/sysconfig/grub
  `)
  t.is(said, "rhel centos fedora\nLab Linux release 9.4\nlab-release\n/etc/default/grub\n")
})

test.serial("NetworkManager is in charge of its uplink", async t => {
  t.is(
    await machine.run("nmcli -t -f DEVICE,STATE,CONNECTION device status | grep ^eth0"),
    "eth0:connected:eth0\n",
  )
})

test.serial("an unsigned repository is refused by dnf", async t => {
  const { unsigned } = machine.host.repositories!
  await machine.run(repository("unsigned", unsigned))
  await t.throwsAsync(machine.run(dnf("unsigned", "install xen 1>&2")))
  await machine.run(repository("unsigned", unsigned, 0))
  await t.throwsAsync(machine.run(dnf("unsigned", "install xen 1>&2")), {
    message: /not signed|GPG check FAILED/,
  })
  t.is(await machine.run("rpm -qa 'xen*'"), "")
})

test.serial("an RPM that was altered after signing is refused by dnf", async t => {
  await machine.run(repository("altered", machine.host.repositories!.altered, 0))
  await t.throwsAsync(machine.run(dnf("altered", "install xen 1>&2")), { message: /xen-hypervisor/ })
  t.is(await machine.run("rpm -qa 'xen*'"), "")
})

test.serial("Xen comes from the signed repository, and its entry is in GRUB's menu", async t => {
  await machine.run(repository("signed", machine.host.repositories!.signed))
  const said = await machine.run(`
    ${dnf("signed", "install xen")} | tail -n 1
    rpm -qa 'xen*' --queryformat '%{NAME}\\n' | sort
    rpm -V xen-hypervisor
    grep -c "xen-gnulinux-.*-advanced-" /boot/grub2/grub.cfg
    systemctl is-enabled xenstored xenconsoled xendomains
  `)
  t.is(said, "Complete!\nxen\nxen-hypervisor\nxen-libs\nxen-runtime\n1\nenabled\nenabled\nenabled\n")
})
