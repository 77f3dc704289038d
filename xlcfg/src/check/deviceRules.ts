import { vdevNumber } from "../devices/vdev.ts"
import type { Reading } from "./reading.ts"

/** Disks and interfaces of one domain that get in each other's way. */
export function devices(reading: Reading): void {
  const vdevs = new Map<number, number>()
  for (const [index, { vdev }] of reading.disks) {
    const number = vdevNumber(vdev)
    if (number === undefined) continue
    const first = vdevs.get(number)
    if (first === undefined) vdevs.set(number, index)
    else {
      const message = `${vdev} is the name of disk ${first + 1} already`
      reading.report("disk", {
        code: "duplicate-vdev",
        path: [index],
        message,
        remedy: "give it another vdev",
      })
    }
  }
  const macs = new Map<string, number>()
  for (const [index, { mac, bridge, gatewaydev }] of reading.vifs) {
    const path = [index]
    const first = mac === undefined ? undefined : macs.get(mac)
    if (first !== undefined) {
      const message = `${mac} is the address of interface ${first + 1} already`
      reading.report("vif", { code: "duplicate-mac", path, message, remedy: "give it another mac" })
    } else if (mac !== undefined) macs.set(mac, index)
    if (bridge === "")
      reading.report("vif", {
        code: "vif-option",
        path,
        message: "bridge= is empty",
        remedy: "name the bridge",
      })
    else if (bridge === undefined && gatewaydev === undefined) {
      const message = "it joins the host's default bridge, xenbr0 unless xl.conf says otherwise"
      reading.report("vif", { code: "default-bridge", path, message })
    }
  }
}
