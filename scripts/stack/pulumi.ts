import { existsSync } from "node:fs"
import { delimiter, join } from "node:path"
import { fileURLToPath } from "node:url"
import { $ } from "zx"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** The quick start's own backend: a local state, without an account, in which no secret needs a passphrase. */
export const localState = join(root, ".pulumi-state")

/** The user's Pulumi, wherever it is logged in; without a login of any kind, the quick start's local state. */
export function pulumiEnvironment(): NodeJS.ProcessEnv {
  const { PULUMI_BACKEND_URL, PULUMI_ACCESS_TOKEN, PATH = "" } = process.env
  const isLocal =
    PULUMI_BACKEND_URL === undefined && PULUMI_ACCESS_TOKEN === undefined && existsSync(localState)
  return {
    ...process.env,
    // The first pulumi and the first node of PATH are those of this project, however the script was started.
    PATH: `${join(root, "node_modules/.bin")}${delimiter}${PATH}`,
    PULUMI_SKIP_UPDATE_CHECK: "1",
    ...(isLocal && localEnvironment),
  }
}

export const localEnvironment = { PULUMI_BACKEND_URL: fileBackend(localState), PULUMI_CONFIG_PASSPHRASE: "" }

/**
 * The address of a state in a directory. Pulumi replaces the state at one stroke, but writes a file of its attributes
 * in place, and reads no state whose attributes are empty: a pulumi that is killed at that moment would leave one
 * ("failed to load checkpoint: EOF"). Nobody needs the attributes, and so none are written.
 */
export function fileBackend(directory: string): string {
  return `file://${directory}?metadata=skip`
}

/** Pulumi has failed; its own words say why. */
export class PulumiError extends Error {
  override readonly name = "PulumiError"
}

/** Runs pulumi and returns what it printed. @throws PulumiError */
export async function askPulumi(args: readonly string[]): Promise<string> {
  const result = await $({ env: pulumiEnvironment(), quiet: true, nothrow: true })`pulumi ${args}`
  if (result.exitCode !== 0) {
    throw new PulumiError(`pulumi ${args.join(" ")} failed:\n${result.stderr.trim() || result.stdout.trim()}`)
  }
  return result.stdout
}

/** Runs pulumi before the user's eyes; returns its exit code. */
export async function showPulumi(args: readonly string[]): Promise<number> {
  const result = await $({ env: pulumiEnvironment(), stdio: "inherit", nothrow: true })`pulumi ${args}`
  return result.exitCode ?? 1
}

/** `--stack NAME`, or nothing for the one that is selected. */
export function stackArguments(stack: string | undefined): string[] {
  return stack === undefined ? [] : ["--stack", stack]
}
