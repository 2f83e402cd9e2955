import { describe, expect, it, vi } from 'vitest'
import { linesOf, rejecting, signalAction, toldProgress, undoneBy, waitAction } from './waits.ts'

const wait = { xid: 'a:1:7', saga: 'order', step: 'wait', name: 'paid' }
const given = { digest: '', reason: '', fields: {}, key: 'k' }

interface Asked {
  method: string
  path: string
  key: string | undefined
  body: unknown
}

const server = vi.hoisted(() => ({ asked: [] as unknown[], status: 200, body: {} as unknown }))

vi.mock('@/api/client.ts', async (original) => {
  type Options = { params: { path: Record<string, string>; header?: Record<string, string> }; body?: unknown }
  const by = (method: string) => (path: string, options: Options) => {
    const whole = path.replace(/\{(\w+)\}/g, (_, name: string) => options.params.path[name]!)
    const key = options.params.header?.['Idempotency-Key']
    server.asked.push({ method, path: whole, key, body: options.body })
    const ok = server.status < 300
    const response = { ok, status: server.status }
    return Promise.resolve(ok ? { data: server.body, response } : { error: server.body, response })
  }
  return { ...(await original<object>()), api: { GET: by('GET'), POST: by('POST') } }
})

/** answering has each request answered, and keeps what was asked. */
function answering(status: number, body: unknown): Asked[] {
  Object.assign(server, { asked: [], status, body })
  return server.asked as Asked[]
}

const run = {
  status: 'Active' as const,
  waits: [{ step: 'wait' }],
  steps: [
    { name: 'reserve', state: 'done' as const },
    { name: 'price', state: 'done' as const, undo: { state: 'done' as const } },
    { name: 'wait', state: 'waiting' as const },
  ],
}

describe('an answer to a step', () => {
  it('is planned: a rejection says which steps are compensated', async () => {
    answering(200, run)
    const plan = await waitAction(wait, false).plan(new AbortController().signal)
    expect(plan.consequences.map((one) => one.kind)).toEqual(['does', 'warns', 'calls'])
    expect(plan.consequences[2]).toMatchObject({
      text: 'It is rolled back, then: 1 step that is done is compensated',
      items: ['reserve'],
    })
    expect(undoneBy(run)).toEqual(['reserve'])
    expect(rejecting({ steps: [] })).toHaveLength(2)
  })

  it('is planned by how the run is now, not by how it was drawn', async () => {
    answering(200, { ...run, waits: [] })
    const plan = await waitAction(wait, true).plan(new AbortController().signal)
    expect(plan.consequences).toHaveLength(1)
    expect(plan.consequences[0]).toMatchObject({ kind: 'warns', text: expect.stringMatching(/not wait/) })
  })

  it('goes with its comment and its key, and is no end of the saga', async () => {
    const asked = answering(200, run)
    const sent = await waitAction(wait, false).send({ ...given, reason: 'no money' })
    expect(asked).toEqual([
      {
        method: 'POST',
        path: '/api/v1/sagas/runs/a:1:7/approvals/wait',
        key: 'k',
        body: { approve: false, comment: 'no money' },
      },
    ])
    expect(sent).toMatchObject({ progress: { over: false, accepted: 'The rejection is stored.' } })
  })
})

describe('a signal', () => {
  it('shows what it is sent with, and sends nothing before', async () => {
    const asked = answering(200, run)
    const action = signalAction(wait, { amount: 12 })
    const plan = await action.plan(new AbortController().signal)
    expect(plan.consequences[0]!.items).toEqual(['"amount": 12'])
    expect(linesOf([1, 2])).toEqual(['[1,2]'])
    expect(linesOf(undefined)).toEqual([])
    expect(asked.map((one) => one.method)).toEqual(['GET'])
    await action.send(given)
    expect(asked[1]).toMatchObject({ method: 'POST', key: 'k', body: { step: 'wait', data: { amount: 12 } } })
  })

  it('tells the form what the server finds wrong in its data', async () => {
    const findings = [{ path: '/amount', text: 'is too small' }]
    answering(400, { title: 'no', code: 'invalid', findings })
    const heard: unknown[] = []
    await expect(signalAction(wait, {}, (found) => heard.push(found)).send(given)).rejects.toThrow()
    expect(heard).toEqual([findings])
  })
})

it('says how the saga stands, and that it is over only when it is', () => {
  const of = (now: Parameters<typeof toldProgress>[2]) => toldProgress('yesStored', 'wait', now)
  expect(of({ status: 'Active' })).toMatchObject({ over: false, result: { state: 'work' } })
  expect(of({ status: 'RollingBack' })).toMatchObject({ over: false, result: { state: 'undo' } })
  expect(of({ status: 'Active', stuck: true })).toMatchObject({ over: true, result: { state: 'bad' } })
  expect(of({ status: 'Committed' })).toMatchObject({ over: true, result: { state: 'good' } })
})
