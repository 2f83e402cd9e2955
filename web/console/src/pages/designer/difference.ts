/** Line is one line of a comparison: on the left only, on the right only, or on both. */
export interface Line {
  readonly kind: 'same' | 'gone' | 'new' | 'skipped'
  readonly left?: number
  readonly right?: number
  readonly text: string
}

const most = 4_000_000

/** compareLines compares two texts line by line by their longest common part. */
export function compareLines(a: string, b: string): Line[] {
  const left = linesOf(a)
  const right = linesOf(b)
  let head = 0
  while (head < left.length && head < right.length && left[head] === right[head]) head++
  let tail = 0
  while (tail < left.length - head && tail < right.length - head && left.at(-1 - tail) === right.at(-1 - tail))
    tail++
  const out: Line[] = []
  for (let i = 0; i < head; i++) out.push({ kind: 'same', left: i + 1, right: i + 1, text: left[i]! })
  out.push(...middle(left.slice(head, left.length - tail), right.slice(head, right.length - tail), head))
  for (let n = tail; n > 0; n--) {
    out.push({
      kind: 'same',
      left: left.length - n + 1,
      right: right.length - n + 1,
      text: left[left.length - n]!,
    })
  }
  return out
}

function linesOf(text: string): string[] {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines
}

function middle(left: readonly string[], right: readonly string[], offset: number): Line[] {
  const out: Line[] = []
  const gone = (i: number) => out.push({ kind: 'gone', left: offset + i + 1, text: left[i]! })
  const come = (j: number) => out.push({ kind: 'new', right: offset + j + 1, text: right[j]! })
  if (left.length * right.length > most) {
    left.forEach((_line, i) => gone(i))
    right.forEach((_line, j) => come(j))
    return out
  }
  const width = right.length + 1
  const common = new Uint32Array((left.length + 1) * width)
  for (let i = left.length - 1; i >= 0; i--) {
    for (let j = right.length - 1; j >= 0; j--) {
      common[i * width + j] =
        left[i] === right[j]
          ? common[(i + 1) * width + j + 1]! + 1
          : Math.max(common[(i + 1) * width + j]!, common[i * width + j + 1]!)
    }
  }
  let i = 0
  let j = 0
  while (i < left.length || j < right.length) {
    if (i < left.length && j < right.length && left[i] === right[j]) {
      out.push({ kind: 'same', left: offset + i + 1, right: offset + j + 1, text: left[i]! })
      i++
      j++
    } else if (
      i < left.length &&
      (j >= right.length || common[(i + 1) * width + j]! >= common[i * width + j + 1]!)
    )
      gone(i++)
    else come(j++)
  }
  return out
}

/** shorten leaves out what is the same far from any difference. */
export function shorten(lines: readonly Line[], around = 3): Line[] {
  const near = new Set<number>()
  lines.forEach((line, i) => {
    if (line.kind === 'same') return
    for (let n = i - around; n <= i + around; n++) near.add(n)
  })
  const out: Line[] = []
  let left = 0
  lines.forEach((line, i) => {
    if (near.has(i)) {
      if (left > 0) out.push({ kind: 'skipped', text: String(left) })
      left = 0
      out.push(line)
    } else left++
  })
  if (left > 0 && out.length > 0) out.push({ kind: 'skipped', text: String(left) })
  return out
}

/** counts says how many lines went and came. */
export function counts(lines: readonly Line[]): { gone: number; come: number } {
  return {
    gone: lines.filter((line) => line.kind === 'gone').length,
    come: lines.filter((line) => line.kind === 'new').length,
  }
}
