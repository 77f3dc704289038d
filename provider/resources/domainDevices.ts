import { readFile } from "node:fs/promises"
import {
  deviceAgreement,
  devicesOfManifest,
  devicesOfSkeleton,
  type ExpectedDevice,
  parse,
  XlcfgError,
} from "xlcfg"
import { ConfigurationError } from "./configurationError.ts"

/**
 * Holds a configuration against what a build says of its kernel's devices: `path` is its skeleton, or a manifest of Solo5.
 * A unikernel that looks for a device in vain stops at its start, or waits for ever.
 * @throws ConfigurationError for a device that is missing, and for a file that says nothing of devices
 */
export async function expectDevices(path: string, configuration: string): Promise<void> {
  const [missing, ...more] = deviceAgreement(await expectedDevices(path), parse(configuration))
  if (missing === undefined) return
  const says = [missing, ...more].map(({ message, remedy }) => (remedy ? `${message}; ${remedy}` : message))
  throw new ConfigurationError(
    missing.key === "vif" ? "networks" : "disks",
    `${says.join("\n")} (${path} says so)`,
  )
}

async function expectedDevices(path: string): Promise<ExpectedDevice[]> {
  try {
    const text = await readFile(path, "utf8")
    return path.endsWith(".json") ? devicesOfManifest(JSON.parse(text)) : devicesOfSkeleton(text)
  } catch (error) {
    const isFault =
      error instanceof XlcfgError ||
      error instanceof SyntaxError ||
      (error instanceof Error && "code" in error)
    if (!isFault) throw error
    throw new ConfigurationError("expects", `${path} tells of no devices: ${(error as Error).message}`)
  }
}
