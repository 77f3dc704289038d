import type { Random } from "./random.ts"

const parts = [
  ...["/dev/vg/www", "/img/a.iso", "tank:vol", "", "", "iqn.2001-05.com:0-8a0906", "app01", "é"],
  ...["raw", "qcow2", "qcow", "vhd", "qed", "empty", "", "aio"],
  ...["xvda", "hdc", "sda1", "d0p1", "hdc:cdrom", "xvdb:disk", "hdc:tape", "xvda"],
  ...["rw", "r", "ro", "w", "x"],
  ...["format=raw", "format=qcow2", "format=", "vdev=xvda", "vdev=", "access=ro", "access=rw", "access=q"],
  ...["cdrom", "devtype=cdrom", "devtype=disk", "devtype=x", "script=block-x", "script=", "backend=dom1"],
  ...["backendtype=phy", "backendtype=qdisk", "backendtype=tap", "backendtype=standalone", "backendtype=x"],
  ...[
    "specification=xen",
    "specification=virtio",
    "direct-io-safe",
    "discard",
    "no-discard",
    "trusted",
    "untrusted",
  ],
  ...[
    "colo",
    "no-colo",
    "colo-host=h",
    "colo-port=9000",
    "colo-port=x",
    "colo-export=e",
    "active-disk=a",
    "hidden-disk=b",
  ],
  ...["target=/a,b", "target=", "target=/x,", "foo=1", "foo=", "a-b=c"],
]
const prefixes = [
  "",
  "",
  "",
  "",
  "file:",
  "phy:",
  "tap:aio:",
  "tap2:qcow2:",
  "raw:",
  "vhd:",
  "iscsi:",
  "nbd:",
  "enbd:",
  "drbd:",
  "tapdisk:",
  "ioemu:",
  "bad:",
]

/** A disk specification, good or nearly so. */
export function randomDisk(random: Random): string {
  const gap = () => random.pick(["", "", "", "", " ", "\t", "\n"])
  if (random.below(3) === 0) {
    const plain = [
      random.pick(parts.slice(0, 8)),
      random.pick(parts.slice(8, 16)),
      random.pick(parts.slice(16, 24)),
      random.pick(parts.slice(24, 29)),
    ]
    return random.pick(prefixes) + plain.slice(0, random.below(5)).join(`,${gap()}`)
  }
  const named = Array.from({ length: random.below(5) }, () => random.pick(parts))
  const ending = random.pick(["", ",vdev=xvda,target=/dev/x", ",/dev/x,raw,xvdb", ",vdev=xvda,target=/é,b,"])
  return random.pick(prefixes) + named.join(`,${gap()}`) + ending
}
