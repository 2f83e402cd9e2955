import type { Client } from './client.ts'
import { late, order, type Wait, waiting } from './definitions.ts'
import type { Participant, Say } from './participant.ts'
import type { Server } from './server.ts'
import { until } from './until.ts'

/** What seeds need of a transaction; the API says more. */
export interface Transaction {
  xid: string
  id: string
  status: 'Active' | 'Committing' | 'RollingBack' | 'Committed' | 'RolledBack'
  stuck?: boolean
  application: string
  name: string
  branches: { id: string; kind: string; state: string; failure?: string; attempts: number }[]
}

/** A transaction that cannot go on, or not yet. */
export interface Held extends Transaction {
  /** Has the participant say yes from now on. */
  mend: () => void
}

/** A run of a saga. */
export interface Run {
  xid: string
  id: string
  saga: string
  version: number
  status: string
  outcome: string
  stuck?: boolean
  late: boolean
  steps: { branch: string; name: string; state: string; undo?: { state: string } }[]
  waits: { step: string; kind: string; name?: string }[]
}

/** A run that cannot go on. */
export interface HeldRun extends Run {
  mend: () => void
}

/** A job as far as seeds need it. */
export interface Job {
  id: string
  state: string
  digest: string
  total: number
}

/** Who waits for whom. */
export interface LockWait {
  waiter: string
  holder: string
  row: { resource: string; table: string; pk: string }
  inCycle?: boolean
}

/** What is begun, if a seed shall not choose it. */
export interface Wish {
  application?: string
  name?: string
  /** The number of branches. */
  branches?: number
}

/** A transaction that has begun. */
interface Begun {
  id: string
  now: () => Promise<Transaction>
  mend: () => void
}

let counter = 0

/** What a participant says that cannot do something, and why. */
function problem(status: number, detail: string): Say {
  return { status, body: { detail }, headers: { 'Content-Type': 'application/problem+json' } }
}

/** Brings a real server into states, through its public API alone. */
export class Seeds {
  private asClient: Promise<Client> | undefined

  constructor(
    private readonly server: () => Promise<Server>,
    private readonly participant: () => Promise<Participant>,
  ) {}

  /** The client that seeds use: an admin's. */
  client(): Promise<Client> {
    this.asClient ??= this.server().then((server) => server.client())
    return this.asClient
  }

  /** A transaction that has committed, with two branches. */
  async committed(wish: Wish = {}): Promise<Transaction> {
    const { id } = await this.begin(wish, 200)
    return this.decide(id, 'commit')
  }

  /** A transaction that has been rolled back. */
  async rolledBack(wish: Wish = {}): Promise<Transaction> {
    const { id } = await this.begin(wish, 200)
    return this.decide(id, 'rollback')
  }

  /** A transaction of which nobody has decided what becomes of it, for a day. */
  async active(wish: Wish = {}): Promise<Transaction> {
    return (await this.begin(wish, 200)).now()
  }

  /** Many that have committed, as fast as it goes. */
  async many(count: number, wish: Wish = {}): Promise<void> {
    let left = count
    const one = async (): Promise<void> => {
      while (left-- > 0) {
        await this.committed(wish)
      }
    }
    await Promise.all(Array.from({ length: 16 }, one))
  }

  /** One whose commit a participant refuses, so that a person is needed. */
  async stuck(wish: Wish & { why?: string } = {}): Promise<Held> {
    const refusal = problem(409, wish.why ?? 'the warehouse is closed')
    const begun = await this.begin(wish, refusal)
    await this.decide(begun.id, 'commit', 0)
    const now = await until(`${begun.id} is stuck`, async () => {
      const seen = await begun.now()
      return seen.stuck === true && seen
    })
    return { ...now, mend: begun.mend }
  }

  /** One that a participant keeps failing, so that it is tried again and again. */
  async retrying(wish: Wish & { why?: string } = {}): Promise<Held> {
    const failure = problem(500, wish.why ?? 'the database is away')
    const begun = await this.begin(wish, failure)
    await this.decide(begun.id, 'commit', 0)
    const now = await until(`${begun.id} is tried again`, async () => {
      const seen = await begun.now()
      return seen.branches.some((one) => (one.failure ?? '') !== '') && seen
    })
    return { ...now, mend: begun.mend }
  }

  /** A two-phase message that was delivered. */
  async message(wish: Wish = {}): Promise<Transaction> {
    const p = await this.participant()
    const client = await this.client()
    const { id } = await client.post<Transaction>('/messages', {
      application: wish.application ?? 'shop',
      name: wish.name ?? 'order placed',
      timeoutMs: 60_000,
      check: { url: p.url('/check') },
      deliveries: [
        { url: p.url('/reserve'), payload: { sku: 7 } },
        { topic: 'mails', payload: 'hello' },
      ],
    })
    await client.post(`/messages/${id}/submit`)
    return this.ended(id)
  }

  /** Publishes a saga whose steps call this file's participant, and says under which path they do. */
  async saga(kind: 'order' | Wait = 'order'): Promise<{ name: string; path: string }> {
    const p = await this.participant()
    const name = `${kind}-${++counter}`
    const text = kind === 'order' ? order(name, p.base, `/${name}`) : waiting(name, p.base, `/${name}`, kind)
    await (await this.client()).post('/sagas/definitions?note=by+a+test', text)
    return { name, path: `/${name}` }
  }

  /** Begins a run of a saga that `saga` has published. */
  async start(name: string, key = `o-${++counter}`): Promise<Run> {
    const input = name.startsWith('order-') ? { order: key, total: 12.5 } : { order: key }
    const client = await this.client()
    const { xid } = await client.post<{ xid: string }>('/sagas/runs', {
      saga: name,
      key,
      input,
      application: 'shop',
    })
    return this.run(xid)
  }

  /** A run that is done. */
  async sagaDone(): Promise<Run> {
    const { name, path } = await this.saga()
    ;(await this.participant()).answer(`${path}/reserve`, { status: 200, body: { id: 'r-1' } })
    return this.runUntil((await this.start(name)).xid, 'is done', (run) => run.status === 'Committed')
  }

  /** A run whose payment was refused, and that was compensated. */
  async sagaCompensated(): Promise<Run> {
    const { name, path } = await this.saga()
    ;(await this.participant()).answer(`${path}/pay`, problem(409, 'no money'))
    return this.runUntil((await this.start(name)).xid, 'is compensated', (run) => run.status === 'RolledBack')
  }

  /** A run whose compensation fails, so that a person is needed. */
  async sagaStuck(): Promise<HeldRun> {
    const { name, path } = await this.saga()
    const p = await this.participant()
    p.answer(`${path}/pay`, problem(409, 'no money'))
    p.answer(`${path}/release`, problem(409, 'the reservation is locked'))
    const run = await this.runUntil((await this.start(name)).xid, 'is stuck', (one) => one.stuck === true)
    return {
      ...run,
      mend: () => {
        p.answer(`${path}/release`, 200)
      },
    }
  }

  /** A run that is stuck behind its pivot: paid, and it cannot be sent. */
  async sagaStuckBehindPivot(): Promise<HeldRun> {
    const { name, path } = await this.saga()
    const p = await this.participant()
    p.answer(`${path}/ship`, problem(409, 'nobody delivers there'))
    const run = await this.runUntil((await this.start(name)).xid, 'is stuck', (one) => one.stuck === true)
    return {
      ...run,
      mend: () => {
        p.answer(`${path}/ship`, 200)
      },
    }
  }

  /** A run that waits, for a person, for a signal named paid, for a time, or for a worker. */
  async sagaWaiting(kind: Wait): Promise<Run> {
    const { name } = await this.saga(kind)
    return this.runUntil((await this.start(name)).xid, `waits for its ${kind}`, (run) =>
      run.steps.some((step) => step.name === 'wait' && ['waiting', 'running', 'retrying'].includes(step.state)),
    )
  }

  /** A run that goes on after its deadline. */
  async sagaLate(): Promise<Run> {
    const name = `late-${++counter}`
    await (await this.client()).post('/sagas/definitions?note=by+a+test', late(name))
    return this.runUntil((await this.start(name)).xid, 'is late', (run) => run.late)
  }

  /** A job that is planned and not started: to retry what is stuck of an application. */
  async jobPlanned(application: string, ratePerSecond = 200): Promise<Job> {
    const body = { action: 'retry', filter: { stuck: true, application }, ratePerSecond }
    return (await this.client()).post<Job>('/jobs', body)
  }

  /** A job that takes its time: as many seconds as there are stuck transactions. */
  async jobRunning(count = 30): Promise<Job> {
    const application = `jobs-${++counter}`
    await Promise.all(Array.from({ length: count }, () => this.stuck({ application })))
    const job = await this.jobPlanned(application, 1)
    const client = await this.client()
    return client.post<Job>(`/jobs/${job.id}/start`, {
      digest: job.digest,
      reason: 'the warehouse is open again',
    })
  }

  /** A skip that waits for a second person, at fourEyes() only; asked for by the resolver. */
  async approval(): Promise<{ id: string; digest: string; held: Held }> {
    const server = await this.server()
    const held = await this.stuck()
    const asker = server.client('resolver')
    const body = { action: 'skip', branch: held.branches.find((one) => one.state !== 'Finished')?.id ?? '' }
    const plan = await asker.post<{ digest: string }>(`/transactions/${held.id}/plan`, body)
    const asked = await asker.post<{ approval: { id: string; digest: string } }>(
      `/transactions/${held.id}/operations`,
      { ...body, digest: plan.digest, reason: 'booked by hand, ticket 4711' },
    )
    return { ...asked.approval, held }
  }

  /** A group that reads commits and has not answered for `count` deliveries. */
  async group(name: string, count = 0): Promise<void> {
    const client = await this.client()
    await client.put(`/events/groups/${name}`, { topics: ['concord-commit'], from: 'oldest' })
    if (count > 0) {
      await client.post(`/events/groups/${name}/poll?wait=5s&limit=${count}`)
    }
  }

  /** Rows that are held and waited for, also in a circle, for so many seconds. At dev() only: by the playground. */
  async locked(seconds = 60): Promise<LockWait[]> {
    const client = await this.client()
    await client.post('/playground/locks', { seconds })
    return until('rows are waited for', async () => {
      const { edges } = await client.get<{ edges: LockWait[] }>('/locks/graph')
      return edges.length >= 3 && edges
    })
  }

  /** Events that a group could not handle. At dev() only: by the playground. */
  async deadLetters(count = 3): Promise<{ group: string; letters: string[] }> {
    const client = await this.client()
    await client.post('/playground/deadletters', { count })
    return until('there are dead letters', async () => {
      const { items } = await client.get<{ items: { group: string; letters: number }[] }>('/events/deadletters')
      const group = items.find((one) => one.letters >= count)?.group
      if (group === undefined) {
        return false
      }
      const page = await client.get<{ items: { id: string }[] }>(`/events/groups/${group}/deadletters`)
      return { group, letters: page.items.map((one) => one.id) }
    })
  }

  /** Some of everything, as the playground does it in a minute. At dev() only. */
  async everything(): Promise<void> {
    const client = await this.client()
    await client.post('/playground/everything', {})
    await until('there is something of everything', async () => {
      const now = await client.get<{ stuck: number }>('/overview')
      const runs = await client.get<{ items: unknown[] }>('/sagas/runs')
      return now.stuck > 0 && runs.items.length > 3
    })
  }

  /** How a transaction is now. */
  async transaction(id: string): Promise<Transaction> {
    return (await this.client()).get<Transaction>(`/transactions/${id}`)
  }

  /** How a run is now. */
  async run(xid: string): Promise<Run> {
    const run = await (await this.client()).get<Run>(`/sagas/runs/${xid}`)
    return { ...run, id: run.xid.slice(run.xid.lastIndexOf(':') + 1) }
  }

  private async begin(wish: Wish, say: Say): Promise<Begun> {
    const p = await this.participant()
    const path = `/tx-${++counter}`
    p.answer(`${path}/confirm`, say)
    const branches = Array.from({ length: wish.branches ?? 2 }, (_, n) => ({
      kind: 'tcc',
      confirmUrl: p.url(n === 0 ? `${path}/confirm` : '/confirm'),
      cancelUrl: p.url('/cancel'),
      payload: { sku: n + 1, quantity: 2 },
      timeoutMs: 5_000,
    }))
    const { id } = await (
      await this.client()
    ).post<Transaction>('/transactions', {
      application: wish.application ?? 'shop',
      name: wish.name ?? 'place order',
      timeoutMs: 86_400_000,
      data: { order: `o-${counter}`, customer: 'c-17' },
      branches,
    })
    return {
      id,
      now: () => this.transaction(id),
      mend: () => {
        p.answer(`${path}/confirm`, 200)
      },
    }
  }

  private async decide(id: string, outcome: 'commit' | 'rollback', waitMs = 10_000): Promise<Transaction> {
    const client = await this.client()
    await client.post(`/transactions/${id}/${outcome}`, { waitMs })
    return waitMs === 0 ? this.transaction(id) : this.ended(id)
  }

  private ended(id: string): Promise<Transaction> {
    return until(`transaction ${id} has ended`, async () => {
      const now = await this.transaction(id)
      return ['Committed', 'RolledBack'].includes(now.status) && now
    })
  }

  private runUntil(xid: string, what: string, is: (run: Run) => boolean): Promise<Run> {
    return until(`run ${xid} ${what}`, async () => {
      const now = await this.run(xid)
      return is(now) && now
    })
  }
}
