import test from "ava"
import { rememberStackTraces } from "../sdk/stackTraces.ts"

/** What a stack trace of `name` says, made where all others are made. */
const trace = (name: string, message: string) => Object.assign(new Error(message), { name })

test.serial("a stack trace that was written once is not written again, and each says what it said", t => {
  const before = Error.prepareStackTrace
  const written: string[] = []
  Error.prepareStackTrace = (error, frames) => {
    written.push(error.message)
    return `${error.name}: ${error.message} at ${frames[0]!.getFunctionName()}`
  }
  try {
    rememberStackTraces()
    const stacks = ["one", "one", "other", "one"].map(message => new Error(message).stack)
    t.deepEqual(
      stacks,
      ["one", "one", "other", "one"].map(message => `Error: ${message} at null`),
    )
    t.deepEqual(written, ["one", "other"])
    const named = ["A", "B", "A"].map(name => trace(name, "same").stack)
    t.deepEqual(named, ["A: same at trace", "B: same at trace", "A: same at trace"])
  } finally {
    Error.prepareStackTrace = before
  }
})
