/** Scale puts times onto a line from 0 to 1. */
export interface Scale {
  readonly first: number
  readonly last: number
  /** Whether it is true to time; otherwise long gaps are drawn short. */
  readonly even: boolean
  readonly toU: (at: number) => number
  readonly toTime: (u: number) => number
}

/** linearScale is true to time. */
export function linearScale(first: number, last: number): Scale {
  const width = Math.max(last - first, 1)
  return {
    first,
    last: first + width,
    even: true,
    toU: (at) => (at - first) / width,
    toTime: (u) => first + u * width,
  }
}

/** gapScale draws gaps by their order of magnitude, so that milliseconds and hours fit onto one line. Between two
 * moments at which something happens it is true to time. */
export function gapScale(moments: readonly number[], first: number, last: number): Scale {
  const all = [
    ...new Set([first, ...moments.filter((at) => at > first && at < last), Math.max(last, first + 1)]),
  ]
  all.sort((a, b) => a - b)
  const at: number[] = [0]
  for (let i = 1; i < all.length; i++) at.push(at[i - 1]! + Math.log2(2 + (all[i]! - all[i - 1]!)))
  const total = at.at(-1)!
  const find = (list: readonly number[], value: number) => {
    let low = 0
    let high = list.length - 2
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (list[middle]! <= value) low = middle
      else high = middle - 1
    }
    return low
  }
  const between = (from: readonly number[], to: readonly number[], value: number) => {
    const i = find(from, value)
    const part = (value - from[i]!) / (from[i + 1]! - from[i]!)
    return to[i]! + part * (to[i + 1]! - to[i]!)
  }
  return {
    first,
    last: all.at(-1)!,
    even: false,
    toU: (time) => between(all, at, time) / total,
    toTime: (u) => between(at, all, u * total),
  }
}

/** View is the part of a scale that is seen, from 0 to 1. */
export interface View {
  readonly from: number
  readonly to: number
}

/** whole sees all, with a little room at both ends. */
export const whole: View = { from: -0.015, to: 1.03 }

const narrowest = 1e-7

/** zoomed is a view with another width around a place that stays where it is. Factors below 1 zoom in. */
export function zoomed(view: View, factor: number, around: number): View {
  const width = view.to - view.from
  const next = Math.min(Math.max(width * factor, narrowest), whole.to - whole.from)
  const part = (around - view.from) / width
  return clamped({ from: around - part * next, to: around + (1 - part) * next })
}

/** panned is a view moved by a part of its own width. */
export function panned(view: View, part: number): View {
  const by = (view.to - view.from) * part
  return clamped({ from: view.from + by, to: view.to + by })
}

/** shownWith moves a view as little as needed to see a place. */
export function shownWith(view: View, from: number, to: number): View {
  const width = view.to - view.from
  if (from >= view.from && to <= view.to) return view
  const start = from < view.from || to - from > width ? from - 0.1 * width : to - 0.9 * width
  return clamped({ from: start, to: start + width })
}

function clamped(view: View): View {
  const width = view.to - view.from
  const from = Math.min(Math.max(view.from, whole.from), whole.to - width)
  return { from, to: from + width }
}

/** viewText writes a view for an address, viewOf reads it. */
export function viewText(view: View): string | undefined {
  return view.from === whole.from && view.to === whole.to
    ? undefined
    : `${digits(view.from)}~${digits(view.to)}`
}

function digits(n: number): string {
  return String(Number(n.toPrecision(9)))
}

/** viewOf reads what viewText has written; anything else is the whole. */
export function viewOf(text: string | null): View {
  const [from, to] = (text ?? '').split('~').map(Number)
  if (from === undefined || to === undefined || !(from < to) || text === '') return whole
  return clamped({ from, to: Math.max(to, from + narrowest) })
}

const steps = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000,
  600_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 10_800_000, 21_600_000, 43_200_000, 86_400_000,
]

/** ticksOf returns moments for the axis, since the first moment, that are at least a part of the view apart. */
export function ticksOf(scale: Scale, view: View, most: number, moments: readonly number[]): number[] {
  if (scale.even) return evenTicks(scale, view, most)
  const least = (view.to - view.from) / most
  const out: number[] = []
  let last = Number.NEGATIVE_INFINITY
  for (const at of moments) {
    const u = scale.toU(at)
    if (u < view.from || u > view.to || u - last < least) continue
    out.push(at)
    last = u
  }
  return out
}

function evenTicks(scale: Scale, view: View, most: number): number[] {
  const from = scale.toTime(Math.max(view.from, 0)) - scale.first
  const to = scale.toTime(Math.min(view.to, 1)) - scale.first
  const wanted = (scale.toTime(view.to) - scale.toTime(view.from)) / most
  const step = steps.find((one) => one >= wanted) ?? Math.ceil(wanted / 86_400_000) * 86_400_000
  const out: number[] = []
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) out.push(scale.first + at)
  return out
}
