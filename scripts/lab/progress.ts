import { stderr } from "node:process"

const frames = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"]

/** Replaces the text beside the spinner of a running step. */
export type Report = (text: string) => void

/** The step that draws: of steps within steps the innermost, since there is one line to draw on. */
let drawing: symbol | undefined

/**
 * Runs one long step under a spinner with its title and the time it has taken, and leaves a line with the time
 * it took. Where standard error is not a terminal nothing is printed at all.
 */
export async function step<T>(title: string, work: (report: Report) => Promise<T>): Promise<T> {
  if (!stderr.isTTY) return work(() => {})
  const [me, outer] = [Symbol(title), drawing]
  drawing = me
  const began = Date.now()
  const seconds = () => `${((Date.now() - began) / 1000).toFixed(0)} s`
  let detail = ""
  let frame = 0
  const draw = (mark: string) => {
    const line = `${mark} ${title}${detail && `: ${detail}`}`
    stderr.write(`\r\x1b[2K${line.slice(0, (stderr.columns || 80) - 8)} ${seconds()}`)
  }
  const timer = setInterval(() => drawing === me && draw(frames[frame++ % frames.length]!), 100)
  try {
    const result = await work(text => {
      detail = text
    })
    detail = ""
    draw("✔")
    return result
  } catch (error) {
    draw("✖")
    throw error
  } finally {
    clearInterval(timer)
    drawing = outer
    stderr.write("\n")
  }
}
