/**
 * @pulumi/pulumi takes some thirty stack traces for each resource, in case that a promise never settles, and has every
 * frame looked up in source maps: of a program with many resources that is half of its time. Nearly all of them are the
 * same, as a loop makes them. So one that was written once is not written again; what it says is what it said.
 */
export function rememberStackTraces(): void {
  const prepare = Error.prepareStackTrace
  if (prepare === undefined) return
  const written = new Map<string, unknown>()
  Error.prepareStackTrace = (error, frames) => {
    // Of one name, message and list of frames there is one text.
    const key = `${error.name}\n${error.message}\n${frames.join("\n")}`
    if (!written.has(key)) {
      if (written.size === most) written.clear()
      written.set(key, prepare(error, frames))
    }
    return written.get(key)
  }
}

/** A program whose traces are all different gains nothing, and shall lose no memory. */
const most = 500
