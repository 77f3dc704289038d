import { type DiskImage, DiskImageError, makeImage, type Recipe } from "../disk/contents.ts"
import { parseFinding, parseRelease } from "../host/contentStore.ts"
import { claimDisk, diskPath, IMAGE_MODE, lookAtDisk, releaseDisk } from "../host/disk/images.ts"
import type { Failure } from "../rpc/check.ts"
import type { Context } from "../rpc/resource.ts"
import type { Connection } from "../ssh/index.ts"
import type { Inputs, Outputs } from "./diskInputs.ts"

const hasRecipe = ({ files, secrets, source }: Partial<Inputs>): boolean =>
  (files ?? secrets ?? source) !== undefined

/** The image's digest, which is what it is; or why there can be none. */
export async function digestOf(
  given: Inputs,
  context: Context,
): Promise<{ sha256: string } | { failure: Failure }> {
  if (!hasRecipe(given)) return { sha256: given.sha256!.toLowerCase() }
  try {
    return { sha256: (await makeImage(recipeOf(given), context)).digest }
  } catch (error) {
    if (!(error instanceof DiskImageError)) throw error
    return { failure: { property: error.input, reason: error.message } }
  }
}

/** Sends the image unless the host has it. Whatever half of this an earlier run did is taken up. */
export async function ensureImage(
  host: Connection,
  given: Inputs,
  context: Context<Outputs>,
): Promise<{ id: string; outputs: Outputs }> {
  const digest = given.sha256!
  const image = hasRecipe(given) ? await makeImage(recipeOf(given), context) : undefined
  if (image && image.digest !== digest)
    throw new Error(`the files of the disk image changed after they were looked at; run this again`)
  const outputs = describeImage(digest, image?.size ?? (await expectImage(host, digest, context)))
  context.exists(digest, outputs)
  await host.run(claimDisk(digest, context.urn), { signal: context.signal })
  if (image) await send(host, image, context)
  return { id: digest, outputs }
}

export function describeImage(digest: string, bytes: number): Outputs {
  return { path: diskPath(digest), digest, bytes, integrity: "intact" }
}

/** The image as it lies there; `undefined` when it is gone. */
export async function lookAtImage(host: Connection, digest: string, context: Context) {
  const { stdout } = await host.run(lookAtDisk(digest), { signal: context.signal })
  const finding = parseFinding(stdout)
  if (finding.found === "missing") return undefined
  const integrity = finding.digest === digest ? ("intact" as const) : ("altered" as const)
  if (integrity === "altered")
    context.log("warning", `${diskPath(digest)} on ${host.name} was altered; the next update sends it again`)
  return { integrity }
}

export async function deleteImage(host: Connection, digest: string, context: Context): Promise<void> {
  const { stdout } = await host.run(releaseDisk(digest, context.urn), { signal: context.signal })
  const users = parseRelease(stdout)
  if (users.length > 0)
    context.log("info", `${diskPath(digest)} stays on ${host.name}: it is used by ${users.join(", ")}`)
}

/** Bytes of an image that the host is said to have; an error when it has none, or another. */
export async function expectImage(host: Connection, digest: string, context: Context): Promise<number> {
  const found = await lookAtImage(host, digest, context)
  if (found?.integrity !== "intact") {
    const seen = found ? "has one that was altered" : "has none"
    throw new Error(
      `${host.name} was said to have the disk image ${digest} and ${seen}; give its files or source`,
    )
  }
  const { stdout } = await host.run(["stat", "-c", "%s", diskPath(digest)], { signal: context.signal })
  return Number(stdout)
}

function recipeOf({ connection: _, ...given }: Inputs): Recipe {
  // With files the digest is computed from them; only a source is held against the one that is given.
  return given.source === undefined ? { ...given, sha256: undefined } : given
}

async function send(host: Connection, image: DiskImage, context: Context): Promise<void> {
  const { bytes } = await host.upload(image.content, diskPath(image.digest), {
    mode: IMAGE_MODE,
    sha256: image.digest,
    signal: context.signal,
    onProgress: (sent, total) => context.progress(`sending the disk: ${Math.floor((100 * sent) / total)} %`),
  })
  context.log("debug", `${bytes} of ${image.size} bytes sent to ${host.name}`)
}
