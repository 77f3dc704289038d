import messages from "@pulumi/pulumi/proto/provider_pb.js"
import type { Failure } from "./check.ts"
import { encodeProperties } from "./codec.ts"
import type { Change } from "./diff.ts"
import type { Properties } from "./value.ts"

export function checkResponse(inputs: Properties, failures: readonly Failure[]): messages.CheckResponse {
  const response = new messages.CheckResponse()
  response.setInputs(encodeProperties(inputs))
  response.setFailuresList(failures.map(checkFailure))
  return response
}

export function checkFailure({ property, reason }: Failure): messages.CheckFailure {
  const message = new messages.CheckFailure()
  message.setProperty(property)
  message.setReason(reason)
  return message
}

export function diffResponse(
  changes: readonly Change[],
  deleteBeforeReplace: boolean,
): messages.DiffResponse {
  const response = new messages.DiffResponse()
  const { DIFF_NONE, DIFF_SOME } = messages.DiffResponse.DiffChanges
  response.setChanges(changes.length === 0 ? DIFF_NONE : DIFF_SOME)
  response.setHasdetaileddiff(true)
  response.setDeletebeforereplace(deleteBeforeReplace)
  response.setDiffsList([...new Set(changes.map(change => topLevel(change.path)))])
  const replacing = changes.filter(change => change.replaces)
  response.setReplacesList([...new Set(replacing.map(change => topLevel(change.path)))])
  for (const change of changes) {
    const detail = new messages.PropertyDiff()
    detail.setKind(kinds[change.kind][change.replaces ? 1 : 0])
    detail.setInputdiff(change.input)
    response.getDetaileddiffMap().set(change.path, detail)
  }
  return response
}

const { Kind } = messages.PropertyDiff
const kinds = {
  add: [Kind.ADD, Kind.ADD_REPLACE],
  delete: [Kind.DELETE, Kind.DELETE_REPLACE],
  update: [Kind.UPDATE, Kind.UPDATE_REPLACE],
} as const

function topLevel(path: string): string {
  return /^[^.[]*/.exec(path)![0]
}
