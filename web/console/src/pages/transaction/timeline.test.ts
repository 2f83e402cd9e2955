import { describe, expect, it } from 'vitest'
import type { Schemas } from '@/api/client.ts'
import type { Item, Lane } from '@/shared/timeline/model.ts'
import { lanesOf, type Sources } from './timeline.ts'

const t0 = Date.parse('2026-01-01T00:00:00Z')
const iso = (ms: number) => new Date(t0 + ms).toISOString()

function entry(ms: number, event: string, branch = '', more: Partial<Schemas['HistoryEntry']> = {}) {
  return { at: iso(ms), event, ...(branch ? { branch } : {}), ...more }
}

type Detail = Schemas['TransactionDetail']

function sources(more: Partial<Detail>, history: Schemas['HistoryEntry'][], now = 60_000): Sources {
  const detail = { xid: 'h:1:7', status: 'Committing' as const, application: 'shop', beganAt: iso(0), ...more }
  return { detail, history, now: t0 + now }
}

function laneOf(lanes: Lane[], id: string): Item[] {
  const found = lanes.find((lane) => lane.id === id)
  if (!found) throw new Error(`no lane ${id} among ${lanes.map((lane) => lane.id).join()}`)
  return [...found.items]
}

/** Each item in short: what, from and to since the begin. */
function short(items: Item[]): string[] {
  return items.map((item) =>
    item.type === 'point'
      ? `${item.kind} ${item.at - t0}`
      : `${item.kind}${item.attempt ? ` ${item.attempt}` : ''} ${item.outcome} ${item.from - t0}-${item.to - t0}`,
  )
}

const decided = { decidedAt: iso(100), decision: 'commit' as const, cause: 'requested' as const }

describe('the lane of a branch', () => {
  it('has each attempt with its true length, and the pauses between', () => {
    const s = sources(
      { ...decided, branches: [{ id: '1', attempts: 3, state: 'Finished', registeredAt: iso(10) }] },
      [
        entry(0, 'began'),
        entry(10, 'registered', '1'),
        entry(100, 'commitDecided'),
        entry(340, 'attemptFailed', '1', { attempt: 1, tookMs: 240, text: 'down' }),
        entry(1400, 'attemptFailed', '1', { attempt: 2, tookMs: 60, text: 'down' }),
        entry(3000, 'finished', '1', { attempt: 3, tookMs: 5 }),
      ],
    )
    const lanes = lanesOf(s)
    expect(short(laneOf(lanes, 'b:1'))).toEqual([
      'durable 10',
      'attempt 1 failed 100-340',
      'wait unknown 340-1340',
      'attempt 2 failed 1340-1400',
      'wait unknown 1400-2995',
      'attempt 3 done 2995-3000',
    ])
    expect(lanes.find((lane) => lane.id === 'b:1')!.failed).toBe(true)
  })

  it('begins the first attempt at the decision if its length is not known', () => {
    const s = sources(
      { ...decided, branches: [{ id: '1', attempts: 1, state: 'Finished', registeredAt: iso(10) }] },
      [entry(10, 'registered', '1'), entry(100, 'commitDecided'), entry(130, 'finished', '1')],
    )
    const [, attempt] = laneOf(lanesOf(s), 'b:1')
    expect(attempt).toMatchObject({ from: t0 + 100, to: t0 + 130, startKnown: true, outcome: 'done' })
  })

  it('does not guess how long a later attempt took', () => {
    const s = sources(
      { ...decided, branches: [{ id: '1', attempts: 2, state: 'Refused', registeredAt: iso(10) }] },
      [entry(340, 'attemptFailed', '1', { text: 'down' }), entry(1400, 'refused', '1', { text: 'never' })],
    )
    const items = laneOf(lanesOf(s), 'b:1')
    expect(items.at(-1)).toMatchObject({
      from: t0 + 1400,
      to: t0 + 1400,
      startKnown: false,
      outcome: 'refused',
    })
  })

  it('says how many attempts are not told', () => {
    const s = sources(
      {
        ...decided,
        branches: [
          {
            id: '1',
            attempts: 18,
            state: 'Registered',
            registeredAt: iso(10),
            nextAttemptAt: iso(90_000),
            failure: 'down',
          },
        ],
      },
      [
        entry(2000, 'attemptFailed', '1', { attempt: 8, tookMs: 10 }),
        entry(30_000, 'attemptFailed', '1', { attempt: 16, tookMs: 10 }),
      ],
    )
    const items = laneOf(lanesOf(s), 'b:1')
    const untold = items.filter((item) => item.type === 'span' && item.kind === 'untold')
    expect(untold.map((item) => item.title[0])).toEqual(['7', '7', '2'])
    expect(items.at(-1)).toMatchObject({ kind: 'planned', at: t0 + 90_000 })
  })

  it('is open while an attempt is under way', () => {
    const s = sources(
      {
        ...decided,
        branches: [
          { id: '1', attempts: 1, state: 'Registered', registeredAt: iso(10), inFlightUntil: iso(70_000) },
        ],
      },
      [entry(100, 'commitDecided')],
    )
    expect(laneOf(lanesOf(s), 'b:1').at(-1)).toMatchObject({
      kind: 'attempt',
      outcome: 'running',
      open: true,
      from: t0 + 100,
      to: t0 + 60_000,
    })
  })

  it('undoes the steps of sagas after the decision, with attempts counted anew', () => {
    const end = { decidedAt: iso(500), decision: 'rollback' as const, cause: 'refused' as const }
    const s = sources(
      {
        status: 'RollingBack',
        saga: 'order',
        ...end,
        branches: [{ id: '1', step: 'pay', attempts: 1, state: 'Finished', registeredAt: iso(10) }],
      },
      [
        entry(10, 'stepStarted', '1', { text: 'pay' }),
        entry(200, 'attemptFailed', '1', { text: 'attempt 1: no answer', attempt: 1, tookMs: 150 }),
        entry(400, 'stepDone', '1', { attempt: 2, tookMs: 20 }),
        entry(500, 'rollbackDecided'),
        entry(620, 'finished', '1', { attempt: 1, tookMs: 100 }),
      ],
    )
    const items = laneOf(lanesOf(s), 'b:1')
    expect(short(items)).toEqual([
      'durable 10',
      'attempt 1 failed 50-200',
      'wait unknown 200-380',
      'attempt 2 done 380-400',
      'attempt 1 done 520-620',
    ])
    expect(items[1]!.text).toBe('no answer')
    expect(items.at(-1)!.title).toContain('undo')
  })

  it('draws nothing where nobody had to be asked', () => {
    const s = sources(
      { ...decided, branches: [{ id: '1', attempts: 0, state: 'Finished', registeredAt: iso(10) }] },
      [entry(10, 'registered', '1'), entry(100, 'finished', '1')],
    )
    expect(laneOf(lanesOf(s), 'b:1').every((item) => item.type === 'point')).toBe(true)
  })
})

describe('the other lanes', () => {
  it('mark what is durable across all', () => {
    const s = sources({ ...decided, status: 'Committed', endedAt: iso(200), branches: [] }, [
      entry(0, 'began'),
      entry(100, 'commitDecided', '', { text: 'requested' }),
      entry(200, 'ended'),
    ])
    const items = laneOf(lanesOf(s), 'co')
    expect(items.filter((item) => item.type === 'point' && item.across).map((item) => item.type)).toHaveLength(
      3,
    )
    expect(short(items.filter((item) => item.type === 'span'))).toEqual([
      'phase done 0-100',
      'phase done 100-200',
    ])
  })

  it('show the deadline of what is open, and that it has passed', () => {
    const open = sources({ status: 'Active', deadline: iso(90_000), branches: [] }, [entry(0, 'began')])
    expect(short(laneOf(lanesOf(open), 'tm')).at(-1)).toBe('planned 90000')
    const late = sources({ status: 'Active', deadline: iso(50_000), branches: [] }, [entry(0, 'began')])
    expect(short(laneOf(lanesOf(late), 'tm')).at(-1)).toBe('trouble 50000')
  })

  it('tell what people did', () => {
    const s = sources({ ...decided, branches: [{ id: '1' }] }, [
      entry(500, 'retryRequested', '', { text: 'kim: ticket 4711' }),
      entry(900, 'skipped', '1', { text: 'kim: no' }),
    ])
    const people = laneOf(lanesOf(s), 'pe')
    expect(people.map((item) => item.text)).toEqual(['kim: ticket 4711', 'kim: no'])
    expect(lanesOf(sources({ branches: [] }, [])).some((lane) => lane.id === 'pe')).toBe(false)
  })

  it('show where the decision was published, and who has handled it', () => {
    const s: Sources = {
      ...sources({ ...decided, branches: [] }, []),
      decision: { published: [{ topic: 'concord-commit', at: iso(104), queue: 2, offset: 41 }] },
      groups: [
        { name: 'billing', topics: ['concord-commit'], offset: 42 },
        { name: 'late', topics: [], offset: 41 },
        { name: 'other', topics: ['concord-rollback'], offset: 99 },
      ],
    }
    const lanes = lanesOf(s)
    expect(laneOf(lanes, 'to')[0]!.title).toContain('offset 41')
    expect(laneOf(lanes, 'cs').map((item) => item.title)).toEqual(['billing has handled it'])
  })
})

it('makes the lanes of 5,000 entries at once', () => {
  const ids = Array.from({ length: 1000 }, (_, i) => String(i + 1))
  const branches = ids.map((id) => ({ id, attempts: 2, state: 'Finished' as const }))
  const history = branches.flatMap(({ id }, i) => [
    entry(i, 'registered', id),
    entry(2000 + i, 'attemptFailed', id, { attempt: 1, tookMs: 3 }),
    entry(2500 + i, 'retryRequested', id, { text: 'kim' }),
    entry(3000 + i, 'finished', id, { attempt: 2, tookMs: 3 }),
    entry(3000 + i, 'reported', id),
  ])
  const all = sources({ ...decided, branches }, history)
  let [lanes, took] = [lanesOf(all), Infinity]
  // Others may have the processor at times: it counts what is reached while it is free.
  for (let n = 0; n < 50 && took >= 1000; n++) {
    const before = performance.now()
    lanes = lanesOf(all)
    took = performance.now() - before
  }
  expect(took).toBeLessThan(1000)
  expect(lanes.reduce((sum, lane) => sum + lane.items.length, 0)).toBeGreaterThan(5000)
})
