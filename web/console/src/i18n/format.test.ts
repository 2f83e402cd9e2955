import { describe, expect, it } from 'vitest'
import { bytes, count, relative, span } from './format.ts'
import { setLanguage } from './index.ts'

describe('durations', () => {
  it.each([
    [0, '0 ms'],
    [340, '340 ms'],
    [1500, '1.5 s'],
    [61_000, '1 min 1 s'],
    [7_500_000, '2 h 5 min'],
    [86_400_000, '1 d'],
    [-5, '0 ms'],
  ])('%d ms is %s', (ms, text) => expect(span(ms)).toBe(text))

  it('says ages and waits', () => {
    expect(relative(0, 65_000)).toBe('1 min 5 s ago')
    expect(relative(65_000, 0)).toBe('in 1 min 5 s')
    expect(relative(0, 300)).toBe('now')
    expect(relative(0, 3900)).toBe('3 s ago')
  })

  it('speaks Chinese', () => {
    setLanguage('zh')
    expect(relative(0, 65_000)).toBe('1 分 5 秒前')
    setLanguage('en')
  })
})

describe('numbers', () => {
  it('groups digits and sizes', () => {
    expect(count(1_234_567)).toBe('1,234,567')
    expect(bytes(1536)).toBe('1.5 KiB')
    expect(bytes(20)).toBe('20 B')
  })
})
