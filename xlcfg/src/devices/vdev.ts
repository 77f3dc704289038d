/**
 * The number of a virtual block device from its name, as xen-vbd-interface(7) has it: `xvda`, `xvda1`,
 * `d0p1`, `hdc`, `sda` or a number. Two names of the same device give the same number; `undefined`: no device.
 */
export function vdevNumber(vdev: string): number | undefined {
  const plain = /^d([0-9]+)(?:p([0-9]+))?$/.exec(vdev)
  if (plain) return xenDisk(Number(plain[1]), Number(plain[2] ?? 0))
  if (/^(0x[0-9a-f]+|[0-9]+)$/i.test(vdev)) {
    const number = Number(/^0[0-7]+$/.test(vdev) ? `0o${vdev.slice(1)}` : vdev)
    return number < 2 ** 31 ? number : undefined
  }
  const named = /^(xvd|hd|sd)([a-z]+)([1-9][0-9]*)?$/.exec(vdev)
  if (!named) return undefined
  const [, scheme, letters, digits] = named
  const disk = driveNumber(letters!)
  const partition = Number(digits ?? 0)
  if (scheme === "xvd") return xenDisk(disk, partition)
  if (scheme === "hd")
    return disk <= 3 && partition <= 63
      ? ((disk < 2 ? 3 : 22) << 8) | ((disk & 1) << 6) | partition
      : undefined
  return disk <= 15 && partition <= 15 ? (8 << 8) | (disk << 4) | partition : undefined
}

/** `a` is 0, `z` 25, `aa` 26. */
function driveNumber(letters: string): number {
  return [...letters].reduce((number, letter) => (number + 1) * 26 + letter.charCodeAt(0) - 97, -1)
}

function xenDisk(disk: number, partition: number): number | undefined {
  if (disk <= 15 && partition <= 15) return (202 << 8) | (disk << 4) | partition
  return disk < 2 ** 20 && partition <= 255 ? (1 << 28) | (disk << 8) | partition : undefined
}
