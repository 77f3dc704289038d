/**
 * What is asked of an `xl`, step by step, from a host on which no domain runs: of a real one to make the fixture
 * (`record.ts`), of the simulated one to hold it against the real. Names in the first column appear in failures.
 */
export interface Step {
  readonly does: string
  readonly script: string
}

export interface Answer extends Step {
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
}

/** Configurations that the steps name, as /root/NAME.cfg; hello.xen lies beside them, disk.img is 1 MiB. */
export const configurations: Readonly<Record<string, string>> = {
  a: config("a", { uuid: 1, vif: "bridge=xenbr0,mac=00:16:3e:00:00:0a,vifname=va.0", fixed: 20 }),
  "a-live": config("a", {
    uuid: 1,
    vif: "bridge=xenbr0,mac=00:16:3e:00:00:0a,vifname=va.0",
    fixed: 20,
    more: "on_crash = 'preserve'",
  }),
  b: config("b", { uuid: 2, vif: "bridge=xenbr0,mac=00:16:3e:00:00:0b", fixed: 21 }),
  "same-uuid": config("other", { uuid: 1 }),
  room: config("room", { uuid: 3, more: "maxmem = 64\nvcpus = 1\nmaxvcpus = 2" }),
  "no-kernel": config("c", { uuid: 6, kernel: "/root/none.xen" }),
  "no-bridge": config("c", { uuid: 6, vif: "bridge=nowhere,mac=00:16:3e:00:00:0c" }),
  "no-disk": config("c", { uuid: 6, disk: "format=raw, vdev=xvda, access=ro, target=/root/none.img" }),
  "bad-vdev": config("c", { uuid: 6, disk: "format=raw, vdev=nowhere, access=ro, target=/root/disk.img" }),
  "same-vif": config("c", { uuid: 6, vif: "bridge=xenbr0,mac=00:16:3e:00:00:0c,vifname=va.0" }),
  huge: config("c", { uuid: 6, memory: 100000 }),
  syntax: "name = 'c'\nthis is no assignment\n",
  nameless: "kernel = '/root/hello.xen'\ntype = 'pvh'\n",
  unknown: `${config("unknown", { uuid: 7 })}nonsense = 1\n`,
}

const recorded: Readonly<Record<string, readonly (readonly [does: string, script: string])[]>> = {
  creating: [
    ["an empty host", "xl list"],
    ["an empty host, with uuids", "xl list -v"],
    ["an empty host, whole", "xl list -l"],
    ["an empty host, guests only", "xl vm-list"],
    ["what the host is", "xl info"],
    ["a list of a domain that is not there", "xl list nowhere"],
    ["the number of a domain that is not there", "xl domid nowhere"],
    ["the name of a domain that is not there", "xl domname 4711"],
    ["a creation", "xl create /root/a.cfg"],
    ["one domain", "xl list a"],
    ["one domain, with uuids", "xl list -v a"],
    ["one domain, whole", "xl list -l a"],
    ["guests only", "xl vm-list"],
    ["its number by name", "xl domid a >/dev/null"],
    ["its name by number", 'xl domname "$(xl domid a)"'],
    ["its port", "ls /sys/class/net/xenbr0/brif | grep va.0; cat /sys/class/net/va.0/address"],
    ["a name that is taken", "xl create /root/a.cfg"],
    ["a uuid that is taken", "xl create /root/same-uuid.cfg"],
    ["domains with one uuid", "xl vm-list; xl destroy other"],
    ["a port name that is taken", "xl create /root/same-vif.cfg; xl destroy c"],
    ["no kernel", "xl create /root/no-kernel.cfg"],
    ["no bridge", "xl create /root/no-bridge.cfg"],
    ["no disk", "xl create /root/no-disk.cfg"],
    ["a device name that is none", "xl create /root/bad-vdev.cfg"],
    ["more memory than there is", "xl create /root/huge.cfg"],
    ["a configuration that is none", "xl create /root/syntax.cfg"],
    ["a configuration without a name", "xl create /root/nameless.cfg"],
    ["a configuration that is not there", "xl create /root/none.cfg"],
    ["a key that is unknown", "xl create /root/unknown.cfg; xl destroy unknown"],
    ["after the refusals", "xl list"],
    ["settings after the file", `xl create /root/b.cfg 'name="staged"' 'memory=40'`],
    ["what they made", "xl list -l staged"],
    ["a new name", "xl rename staged b"],
    ["a new name that is taken", "xl rename b a"],
    ["a new name for none", "xl rename nowhere c"],
    ["after the renaming", "xl list"],
    ["its console's log keeps its name", "ls /var/log/xen/console"],
  ],
  changing: [
    ["a domain", "xl create /root/a.cfg"],
    ["room to grow", "xl create /root/room.cfg"],
    ["room to grow, whole", "xl list -l room"],
    ["more memory", "xl mem-set room 48"],
    ["too much memory", "xl mem-set room 96"],
    ["more virtual processors", "xl vcpu-set room 2"],
    ["too many virtual processors", "xl vcpu-set room 3"],
    ["memory for none", "xl mem-set nowhere 48"],
    ["processors for none", "xl vcpu-set nowhere 1"],
    ["grown", "xl list room"],
    ["grown, whole", "xl list -l room"],
    ["another network", "xl network-attach room bridge=xenbr0 mac=00:16:3e:00:00:1a vifname=vroom.0"],
    ["another network, whole", "xl list -l room"],
    ["a network less", "xl network-detach room 0"],
    ["a network less that is not there", "xl network-detach room 7"],
    ["a network for none", "xl network-attach nowhere bridge=xenbr0"],
    ["a halt", "xl pause a"],
    ["a halt, listed", "xl list a"],
    ["a second halt", "xl pause a"],
    ["on again", "xl unpause a"],
    ["on again, whoever halted it", "xl unpause a"],
    ["a halt for none", "xl pause nowhere"],
    ["a configuration for later", "xl config-update a /root/a-live.cfg"],
    ["a configuration for later, whole", "xl list -l a"],
    ["a configuration for none", "xl config-update nowhere /root/a-live.cfg"],
  ],
}

/** Each begins on an empty host. */
export const conversations: Readonly<Record<string, readonly Step[]>> = Object.fromEntries(
  Object.entries(recorded).map(([name, steps]) => [name, steps.map(([does, script]) => ({ does, script }))]),
)

interface Wish {
  readonly uuid: number
  readonly memory?: number
  readonly kernel?: string
  readonly vif?: string
  readonly disk?: string
  readonly fixed?: number
  readonly args?: string
  readonly more?: string
}

function config(name: string, wish: Wish): string {
  const {
    uuid,
    memory = 32,
    kernel = "/root/hello.xen",
    vif = "bridge=xenbr0",
    disk,
    fixed,
    args,
    more,
  } = wish
  const address = fixed ? `--ipv4=10.0.2.${fixed}/24 --ipv4-gateway=10.0.2.2` : ""
  const lines = [
    `name = '${name}'`,
    `uuid = '00000000-0000-4000-8000-${String(uuid).padStart(12, "0")}'`,
    `kernel = '${kernel}'`,
    "type = 'pvh'",
    `memory = ${memory}`,
    `vif = [ '${vif}' ]`,
    ...(disk ? [`disk = [ '${disk}' ]`] : []),
    `extra = '${[address, args].filter(Boolean).join(" ")}'`,
    ...(more ? [more] : []),
  ]
  return `${lines.join("\n")}\n`
}
