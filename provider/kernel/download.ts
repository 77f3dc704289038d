import { type Stored, store } from "./cache.ts"

/** An https address that does not give its file. The message completes "… cannot be downloaded: ". */
export class DownloadError extends Error {
  override name = "DownloadError"
}

export interface DownloadOptions {
  readonly signal?: AbortSignal
  readonly onProgress?: (message: string) => void
}

/** Fetches a file into a folder, under its own digest. Throws `DownloadError`. */
export async function download(
  address: string,
  directory: string,
  options: DownloadOptions,
): Promise<Stored> {
  const response = await request(address, options.signal)
  if (!response.ok || response.body === null) {
    throw new DownloadError(`the server answered ${response.status} ${response.statusText}`.trimEnd())
  }
  const total = Number(response.headers.get("content-length") ?? 0)
  try {
    return await store(directory, reporting(response.body, total, options))
  } catch (error) {
    if (options.signal?.aborted) throw options.signal.reason
    if (error instanceof TypeError) throw new DownloadError(`the transfer broke off (${causeOf(error)})`)
    throw error
  }
}

async function request(address: string, signal: AbortSignal | undefined): Promise<Response> {
  try {
    return await fetch(address, { ...(signal && { signal }) })
  } catch (error) {
    if (signal?.aborted) throw signal.reason
    throw new DownloadError(causeOf(error))
  }
}

/** fetch says only "fetch failed"; the reason is its cause. */
function causeOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return cause instanceof Error ? cause.message : String(cause)
}

async function* reporting(
  body: AsyncIterable<Uint8Array>,
  total: number,
  { onProgress }: DownloadOptions,
): AsyncGenerator<Uint8Array> {
  let received = 0
  let shownAt = 0
  for await (const chunk of body) {
    received += chunk.length
    yield chunk
    if (Date.now() - shownAt < 500) continue
    shownAt = Date.now()
    const of = total > 0 ? ` of ${mebibytes(total)}` : ""
    onProgress?.(`downloading: ${mebibytes(received)}${of} MiB`)
  }
}

const mebibytes = (bytes: number): string => (bytes / 1024 ** 2).toFixed(1)
