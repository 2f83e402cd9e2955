import { describe, expect, it } from 'vitest'
import {
  changesOf,
  lookAgainMs,
  numbersOf,
  paceOf,
  resultTones,
  standingsOf,
  startableAt,
  toneOf,
  type Job,
} from './progress.ts'

const at = (seconds: number) => new Date(1_700_000_000_000 + seconds * 1000).toISOString()
const job = (more: Partial<Job>): Job => ({
  total: 100,
  done: 40,
  moved: 5,
  failed: 5,
  state: 'running',
  ...more,
})

describe('a job', () => {
  it('has a result or none for each of its transactions', () => {
    expect(numbersOf(job({}))).toEqual({ done: 40, moved: 5, failed: 5, pending: 50 })
    expect(numbersOf({})).toEqual({ done: 0, moved: 0, failed: 0, pending: 0 })
  })

  it('goes on at its pace', () => {
    expect(paceOf(job({ startedAt: at(0), updatedAt: at(10) }))).toEqual({ perSecond: 5, leftMs: 10_000 })
    expect(
      paceOf(job({ startedAt: at(0), updatedAt: at(5), endedAt: at(5), state: 'cancelled' }))?.leftMs,
    ).toBeUndefined()
    expect(paceOf(job({}))).toBeUndefined()
    expect(paceOf(job({ startedAt: at(0), updatedAt: at(0) }))).toBeUndefined()
  })

  it('is never shown faster than was asked for', () => {
    const five = { total: 5, done: 5, moved: 0, failed: 0, ratePerSecond: 200 }
    const short = job({ ...five, state: 'done', startedAt: at(0), endedAt: at(0.024) })
    expect(paceOf(short)?.perSecond).toBe(200)
    expect(paceOf({ ...short, endedAt: at(1) })?.perSecond).toBe(5)
  })

  it('says what became of what was accepted, and looks until it is at rest', () => {
    expect(
      standingsOf([
        { status: 'Committed', endedAt: at(1) },
        { status: 'Committing', stuck: true },
        { status: 'Committing' },
        { status: 'Committing', stuck: true },
      ]),
    ).toEqual([
      { state: 'stuck', n: 2 },
      { state: 'Committing', n: 1 },
      { state: 'Committed', n: 1 },
    ])
    expect(lookAgainMs({ status: 'Committed', endedAt: at(1) })).toBe(false)
    expect(lookAgainMs({ status: 'Committing', stuck: true })).toBeGreaterThan(
      lookAgainMs({ status: 'Committing' }) as number,
    )
    expect(resultTones.done).not.toBe('good')
  })

  it('is not good because all of it was accepted', () => {
    expect(toneOf(job({ state: 'done' }))).toBe('bad')
    expect(toneOf(job({ state: 'done', failed: 0 }))).toBe('warn')
    expect(toneOf(job({ state: 'done', failed: 0, moved: 0 }))).toBe('idle')
    expect(toneOf(job({ state: 'interrupted' }))).toBe('warn')
  })

  it('is started while its plan is fresh, and again when it was interrupted', () => {
    const planned = job({ state: 'planned', createdAt: at(0) })
    expect(startableAt(planned, Date.parse(at(60)))).toBe(true)
    expect(startableAt(planned, Date.parse(at(901)))).toBe(false)
    expect(startableAt({ ...planned, total: 0 }, Date.parse(at(60)))).toBe(false)
    expect(startableAt(job({ state: 'interrupted' }), Date.parse(at(9999)))).toBe(true)
    expect(startableAt(job({ state: 'done' }), 0)).toBe(false)
  })

  it('says what its examples would become', () => {
    const plan = { status: 'RollingBack', resultingStatus: 'RolledBack', heuristic: false } as const
    expect(changesOf([plan, plan, { ...plan, heuristic: true }] as never)).toEqual([
      { from: 'RollingBack', to: 'RolledBack', heuristic: false, count: 2 },
      { from: 'RollingBack', to: 'RolledBack', heuristic: true, count: 1 },
    ])
  })
})
