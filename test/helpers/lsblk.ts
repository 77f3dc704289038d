import type { DiskFacts } from "../../provider/host/facts/types.ts"

interface Device {
  readonly name: string
  readonly size: number
  readonly type: string
  readonly fstype: string | null
  readonly mountpoint: string | null
  readonly children?: readonly Device[]
}

/** What a machine's own lsblk(8) says of its block devices; one that lies on several once. */
export async function lsblk(run: (command: string) => Promise<string>): Promise<DiskFacts[]> {
  const told = await run("lsblk -J -b -o NAME,SIZE,TYPE,FSTYPE,MOUNTPOINT")
  const { blockdevices } = JSON.parse(told) as { blockdevices: readonly Device[] }
  const flat = (device: Device): Device[] => [device, ...(device.children ?? []).flatMap(flat)]
  const all = blockdevices.flatMap(flat).filter(({ size }) => size > 0)
  return [...new Map(all.map(device => [device.name, device])).values()].map(
    ({ name, size, type, fstype, mountpoint }) => ({
      name,
      size,
      type,
      ...(mountpoint === null ? {} : { mountpoint }),
      ...(fstype === null ? {} : { filesystem: fstype }),
    }),
  )
}
