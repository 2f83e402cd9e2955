import { useSyncExternalStore } from 'react'
import { language, readStored, writeStored } from './index.ts'

/** How times are shown: in the browser's zone or in UTC. Ages are always shown beside or behind them. */
export type Zone = 'local' | 'utc'

const place = 'concord-zone'
let zone: Zone = readStored(place) === 'utc' ? 'utc' : 'local'
const listeners = new Set<() => void>()

export function setZone(next: Zone): void {
  zone = next
  writeStored(place, next)
  listeners.forEach((tell) => tell())
}

export function useZone(): Zone {
  return useSyncExternalStore(
    (tell) => {
      listeners.add(tell)
      return () => listeners.delete(tell)
    },
    () => zone,
  )
}

const locales = { en: 'en-GB', zh: 'zh-CN' } as const
const made = new Map<string, Intl.DateTimeFormat>()

function formatter(withDate: boolean, millis: boolean): Intl.DateTimeFormat {
  const key = `${language()} ${zone} ${withDate} ${millis}`
  let f = made.get(key)
  if (!f) {
    f = new Intl.DateTimeFormat(locales[language()], {
      ...(withDate ? { year: 'numeric', month: '2-digit', day: '2-digit' } : {}),
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      ...(millis ? { fractionalSecondDigits: 3 } : {}),
      hour12: false,
      timeZoneName: 'short',
      ...(zone === 'utc' ? { timeZone: 'UTC' } : {}),
    })
    made.set(key, f)
  }
  return f
}

/** absolute returns a time with date, milliseconds and zone. */
export function absolute(at: string | number | Date): string {
  return formatter(true, true).format(new Date(at))
}

/** clock returns the time of day with zone, without the date. */
export function clock(at: string | number | Date): string {
  return formatter(false, false).format(new Date(at))
}

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
] as const
const chinese: Record<string, string> = { d: '天', h: '小时', min: '分', s: '秒', ms: '毫秒' }

/** span returns a duration in its two largest units: "2 h 5 min", "340 ms". Milliseconds in, never negative. */
export function span(millis: number): string {
  const ms = Math.max(0, Math.round(millis))
  const name = (unit: string) => (language() === 'zh' ? chinese[unit]! : unit)
  if (ms < 1000) return `${ms} ${name('ms')}`
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} ${name('s')}`
  const i = units.findIndex(([, size]) => ms >= size)
  const [unit, size] = units[i]!
  const rest = units[i + 1]
  const whole = Math.floor(ms / size)
  const part = rest ? Math.floor((ms % size) / rest[1]) : 0
  return part > 0 ? `${whole} ${name(unit)} ${part} ${name(rest![0])}` : `${whole} ${name(unit)}`
}

/** relative returns how long ago or ahead a time is. */
export function relative(at: string | number | Date, now: number): string {
  const ms = now - new Date(at).getTime()
  if (Math.abs(ms) < 1000) return language() === 'zh' ? '刚刚' : 'now'
  const text = span(Math.abs(ms) < 10_000 ? Math.floor(Math.abs(ms) / 1000) * 1000 : Math.abs(ms)).replace(
    '.0',
    '',
  )
  if (language() === 'zh') return ms > 0 ? `${text}前` : `${text}后`
  return ms > 0 ? `${text} ago` : `in ${text}`
}

/** count returns a whole number with separators. */
export function count(n: number): string {
  return new Intl.NumberFormat(locales[language()]).format(n)
}

/** rate returns a number a second, with as many digits as help. */
export function rate(n: number): string {
  const digits = n >= 10 ? 0 : 1
  return new Intl.NumberFormat(locales[language()], { maximumFractionDigits: digits }).format(n)
}

/** bytes returns a size in binary units. */
export function bytes(n: number): string {
  if (n < 1024) return `${n} B`
  const names = ['KiB', 'MiB', 'GiB', 'TiB']
  let value = n
  let i = -1
  while (value >= 1024 && i < names.length - 1) {
    value /= 1024
    i++
  }
  return `${value.toFixed(value < 10 ? 1 : 0)} ${names[i]}`
}
