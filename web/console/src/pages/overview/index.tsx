import { Button, Group, SegmentedControl } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense } from 'react'
import { Link, useSearchParams } from 'react-router'
import { api, ask, type Schemas } from '@/api/client.ts'
import { usePlayground } from '@/app/features.ts'
import { useLive } from '@/app/live.tsx'
import { useWords } from '@/i18n'
import { count, rate, span } from '@/i18n/format.ts'
import { Empty } from '@/shared/Empty.tsx'
import { Loading } from '@/shared/Loading.tsx'
import { Page, Section } from '@/shared/Page.tsx'
import { useNow } from '@/shared/When.tsx'
import { Health } from './Health.tsx'
import { Hottest, Newest } from './Lists.tsx'
import classes from './overview.module.css'
import { columns, usePulse, type Point } from './pulse.ts'
import { Tile } from './Tile.tsx'
import { words } from './words.ts'

const Chart = lazy(() => import('@/shared/Chart.tsx'))
const windows = ['1', '5', '15'] as const

/** Overview says at a glance how everything is, and leads to what is not well. */
export default function Overview() {
  const t = useWords(words)
  const { numbers } = useLive()
  const newest = useQuery({
    queryKey: ['transactions', 'newest'],
    queryFn: ({ signal }) => ask(api.GET('/api/v1/transactions', { params: { query: { limit: 8 } }, signal })),
    refetchInterval: 2000,
  })
  const nothing = newest.data && (newest.data.items ?? []).length === 0 && !newest.data.next
  return (
    <Page title={t('title')} text={t('thisNodeOnly')}>
      {numbers ? <Tiles numbers={numbers} /> : <Loading rows={2} />}
      {nothing && <First />}
      <Charts numbers={numbers} />
      <div className={classes['columns']}>
        <Newest query={newest} />
        <div className={classes['side']}>
          <Health />
          <Hottest />
        </div>
      </div>
    </Page>
  )
}

function Tiles({ numbers: n }: { numbers: Schemas['Overview'] }) {
  const t = useWords(words)
  const now = useNow()
  const live = (n.active ?? 0) + (n.committing ?? 0) + (n.rollingBack ?? 0)
  const stuck = n.stuck ?? 0
  const ended = n.latency?.ended ?? 0
  const ms = (value?: number) => span(value ?? 0)
  const { committed = 0, rolledBack = 0 } = n.rates ?? {}
  const outcome = `${rate(committed)} ${t('committed')}, ${rate(rolledBack)} ${t('rolledBack')}`
  return (
    <div className={classes['tiles']}>
      <Tile
        name={t('begun')}
        to="/transactions"
        value={
          <>
            {rate(n.rates?.begun ?? 0)}
            <small>{t('perSecond')}</small>
          </>
        }
        text={outcome}
      />
      <Tile
        name={t('live')}
        value={count(live)}
        to="/transactions?q=live"
        text={t('liveSplit', {
          active: n.active ?? 0,
          committing: n.committing ?? 0,
          rollingBack: n.rollingBack ?? 0,
        })}
      />
      <Tile
        name={t('stuck')}
        value={count(stuck)}
        to="/inbox?kind=transaction"
        tone={stuck > 0 ? 'bad' : undefined}
        text={t(stuck > 0 ? 'stuckSome' : 'stuckNone')}
      />
      <Tile
        name={t('oldest')}
        to="/transactions?q=live"
        value={n.oldestLiveAt ? span(now - new Date(n.oldestLiveAt).getTime()) : '–'}
        text={t(n.oldestLiveAt ? 'oldestSome' : 'oldestNone')}
      />
      <Tile
        name={t('latency')}
        value={ended > 0 ? ms(n.latency?.p99Ms) : '–'}
        to="/transactions"
        text={
          ended > 0
            ? t('latencySplit', { p50: ms(n.latency?.p50Ms), p95: ms(n.latency?.p95Ms) })
            : t('latencyNone')
        }
      />
      <Tile
        name={t('waits')}
        value={count(n.lockWaiters ?? 0)}
        to="/locks?tab=graph"
        text={t('waitsSplit', { locks: count(n.locks ?? 0) })}
      />
      <Tile
        name={t('unpublished')}
        value={count(n.unpublished ?? 0)}
        to="/decisions"
        tone={(n.oldestUnpublishedMs ?? 0) > 5000 ? 'warn' : undefined}
        text={n.unpublished ? t('unpublishedSome', { age: ms(n.oldestUnpublishedMs) }) : t('unpublishedNone')}
      />
      <Tile
        name={t('overdue')}
        value={count(n.due ?? 0)}
        to="/transactions?q=live"
        tone={(n.overdueMs ?? 0) > 10_000 ? 'warn' : undefined}
        text={n.due ? t('overdueSome', { age: ms(n.overdueMs) }) : t('overdueNone')}
      />
    </div>
  )
}

function First() {
  const t = useWords(words)
  const playground = usePlayground()
  return (
    <div className="card">
      <Empty title={t('first')} text={t(playground ? 'firstHelp' : 'firstHelpPlain')}>
        <Group>
          {playground && (
            <Button component={Link} to="/playground">
              {t('playground')}
            </Button>
          )}
          <Button component="a" href="/docs" variant="default">
            {t('guide')}
          </Button>
        </Group>
      </Empty>
    </div>
  )
}

const outcomes = ['committed', 'rolledBack', 'timedOut', 'failures'] as const
const durations = ['p50', 'p95', 'p99'] as const

function Charts({ numbers }: { numbers: Schemas['Overview'] | undefined }) {
  const t = useWords(words)
  const [query, setQuery] = useSearchParams()
  const points = usePulse(numbers)
  const chosen = query.get('minutes') ?? '5'
  const minutes = Number(windows.find((each) => each === chosen) ?? '5')
  const to = points.at(-1)?.at ?? Math.round(Date.now() / 1000)
  const from = to - minutes * 60
  const pick = (value: string) =>
    setQuery(
      (was) => {
        was.set('minutes', value)
        return was
      },
      { replace: true },
    )
  const draw = (names: readonly (keyof Point)[]) =>
    columns(points, from, names) as [number[], ...(number | null)[][]]
  return (
    <div className={classes['charts']}>
      <Section
        title={t('throughput')}
        actions={
          <SegmentedControl
            size="xs"
            aria-label={t('window')}
            value={String(minutes)}
            onChange={pick}
            data={windows.map((n) => ({ value: n, label: t('minutes', { n }) }))}
          />
        }
      >
        <Suspense fallback={<div className={classes['chartSpace']} />}>
          <Chart
            label={t('throughput')}
            data={draw(outcomes)}
            from={from}
            to={to}
            format={rate}
            height={220}
            lines={[
              { label: t('committed'), color: '--c-good', fill: true },
              { label: t('rolledBack'), color: '--c-undo' },
              { label: t('timedOut'), color: '--c-warn', dash: [6, 3] },
              { label: t('failures'), color: '--c-bad', dash: [2, 3] },
            ]}
          />
        </Suspense>
      </Section>
      <Section title={t('durations')}>
        <Suspense fallback={<div className={classes['chartSpace']} />}>
          <Chart
            label={t('durations')}
            data={draw(durations)}
            from={from}
            to={to}
            format={span}
            height={220}
            lines={[
              { label: 'p50', color: '--c-work', fill: true },
              { label: 'p95', color: '--c-warn', dash: [6, 3] },
              { label: 'p99', color: '--c-bad' },
            ]}
          />
        </Suspense>
      </Section>
    </div>
  )
}
