import { Button, Checkbox, Group, TextInput } from '@mantine/core'
import { useMemo, useState } from 'react'
import { Link, useSearchParams } from 'react-router'
import type { Schemas } from '@/api/client.ts'
import { useWords, type Say } from '@/i18n'
import { span } from '@/i18n/format.ts'
import { Empty } from '@/shared/Empty.tsx'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { Loading } from '@/shared/Loading.tsx'
import { Page, Section } from '@/shared/Page.tsx'
import { Mark, StatusBadge } from '@/shared/StatusBadge.tsx'
import { Timeline } from '@/shared/Timeline.tsx'
import { boundsOf, type Lane } from '@/shared/timeline/model.ts'
import { length } from '@/shared/timeline/since.ts'
import { useTimelineState } from '@/shared/timeline/state.ts'
import { useNow } from '@/shared/When.tsx'
import { numberOf } from '@/shared/Xid.tsx'
import { factsOf, pairsOf, type Difference } from './compare.ts'
import { hasEnded, useDecision, useDetail, useHistory } from './data.ts'
import { groupNames, lanesOf, shifted } from './timeline.ts'
import classes from './transaction.module.css'
import { words } from './words.ts'

type Detail = Schemas['TransactionDetail']
type T = Say<keyof (typeof words)['en']>

/** ComparePage shows two transactions beside one another, aligned by the time since their begin. */
export default function ComparePage() {
  const t = useWords(words)
  const [params] = useSearchParams()
  const [a, b] = [params.get('a') ?? '', params.get('b') ?? '']
  return (
    <Page title={t('compareTitle')} trail={[{ text: t('transactions'), to: '/transactions' }]}>
      <Choose key={`${a} ${b}`} a={a} b={b} />
      {a && b ? (
        <Both a={a} b={b} />
      ) : (
        <section className="card">
          <Empty title={t('compareNone')} text={t('compareNoneText')} />
        </section>
      )}
    </Page>
  )
}

function Choose({ a, b }: { a: string; b: string }) {
  const t = useWords(words)
  const [, setParams] = useSearchParams()
  const [first, setFirst] = useState(a)
  const [second, setSecond] = useState(b)
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        setParams({ a: first.trim(), b: second.trim() })
      }}
    >
      <Group align="end" gap="sm">
        <TextInput
          label={t('compareA')}
          placeholder={t('compareHelp')}
          w={300}
          value={first}
          classNames={{ input: 'mono' }}
          onChange={(event) => setFirst(event.currentTarget.value)}
        />
        <TextInput
          data-search
          label={t('compareB')}
          placeholder={t('compareHelp')}
          w={300}
          value={second}
          classNames={{ input: 'mono' }}
          onChange={(event) => setSecond(event.currentTarget.value)}
        />
        <Button type="submit">{t('compareShow')}</Button>
        <Button variant="default" onClick={() => setParams({ a: second.trim(), b: first.trim() })}>
          {t('compareSwap')}
        </Button>
      </Group>
    </form>
  )
}

/** useSide gathers one of the two. */
function useSide(xid: string) {
  const { query } = useDetail(xid)
  const history = useHistory(xid)
  const detail = query.data
  const decision = useDecision(xid, detail?.decision !== undefined)
  const clock = useNow()
  const ended = hasEnded(detail)
  const now = ended ? Date.parse(detail?.endedAt ?? '') : clock
  const items = history.data?.items
  const lanes = useMemo((): Lane[] => {
    if (!detail || !items) return []
    const origin = Date.parse(detail.beganAt ?? '')
    return shifted(lanesOf({ detail, history: items, decision: decision.data ?? undefined, now }), -origin)
  }, [detail, items, decision.data, now])
  const retry = () => void Promise.all([query.refetch(), history.refetch()])
  return { detail, lanes, error: query.error ?? history.error, retry }
}

function Both({ a, b }: { a: string; b: string }) {
  const t = useWords(words)
  const [left, right] = [useSide(a), useSide(b)]
  const [state, onState] = useTimelineState()
  const names = useMemo(() => groupNames(), [])
  const bounds = useMemo(() => boundsOf([...left.lanes, ...right.lanes]), [left.lanes, right.lanes])
  const failed = left.error ?? right.error
  if (failed && (!left.detail || !right.detail)) {
    return <ErrorBox error={failed} retry={left.error ? left.retry : right.retry} />
  }
  if (!left.detail || !right.detail) return <Loading rows={10} />
  return (
    <>
      <Section title={t('tabTimeline')} flush>
        {[left, right].map((side, i) => (
          <div key={i}>
            <div style={{ padding: '10px 14px 0' }}>
              <SideHead detail={side.detail!} />
            </div>
            <Timeline
              label={t('timelineOf', { id: numberOf(side.detail!.xid ?? '') })}
              lanes={side.lanes}
              names={names}
              state={state}
              onState={onState}
              origin={0}
              bounds={bounds}
              absolute={false}
              bare={i > 0}
              beside={(i > 0 ? left : right).lanes}
              maxHeight={640}
            />
          </div>
        ))}
      </Section>
      <Facts a={left.detail} b={right.detail} />
      <Pairs a={left.detail} b={right.detail} />
    </>
  )
}

function SideHead({ detail }: { detail: Detail }) {
  const id = numberOf(detail.xid ?? '')
  return (
    <Group gap="xs">
      <Link to={`/transactions/${id}`} className="mono">
        {id}
      </Link>
      <StatusBadge status={detail.status} stuck={detail.stuck} heuristic={detail.heuristic} />
    </Group>
  )
}

function Facts({ a, b }: { a: Detail; b: Detail }) {
  const t = useWords(words)
  const [only, setOnly] = useState(false)
  const all = factsOf(a, b)
  const shown = only ? all.filter((fact) => fact.differs) : all.filter((fact) => fact.a || fact.b)
  const box = (
    <Checkbox
      size="xs"
      label={t('differencesOnly')}
      checked={only}
      onChange={(event) => setOnly(event.currentTarget.checked)}
    />
  )
  return (
    <Section title={t('compareTitle')} actions={box} flush>
      {shown.length === 0 ? (
        <Empty title={t('noDifference')} />
      ) : (
        <table className={classes['compared']}>
          <thead>
            <tr>
              <th scope="col">{t('fact')}</th>
              <th scope="col">
                <SideHead detail={a} />
              </th>
              <th scope="col">
                <SideHead detail={b} />
              </th>
              <th scope="col" className={classes['mark']} aria-label={t('differs')} />
            </tr>
          </thead>
          <tbody>
            {shown.map((fact) => (
              <tr key={fact.name} data-differs={fact.differs}>
                <th scope="row">{t(`fact_${fact.name}`)}</th>
                <td className="num">{valueOf(fact, fact.a, t)}</td>
                <td className="num">{valueOf(fact, fact.b, t)}</td>
                <td>{fact.differs && <Mark tone="warn" text={t('differs')} />}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Section>
  )
}

function valueOf(fact: Difference, value: string, t: T): string {
  if (value === '') return '–'
  switch (fact.name) {
    case 'untilDecision':
    case 'untilEnd':
      return length(Number(value))
    case 'timeout':
      return span(Number(value))
    case 'heuristic':
      return t(value === 'true' ? 'yes' : 'no')
    case 'cause':
      return t(`cause_${value as NonNullable<Detail['cause']>}`)
  }
  return value
}

const pairsShown = 200

function Pairs({ a, b }: { a: Detail; b: Detail }) {
  const t = useWords(words)
  const pairs = useMemo(() => pairsOf(a, b), [a, b])
  if (pairs.length === 0) return null
  const side = (branch: Schemas['Branch'] | undefined, other: 'onlyA' | 'onlyB') =>
    branch ? (
      <>
        {t(`state_${branch.state ?? 'Registered'}`)} · {t('attempts')} {branch.attempts ?? 0}
        {branch.failure && <div className="mono dim">{branch.failure}</div>}
      </>
    ) : (
      <span className="dim">{t(other)}</span>
    )
  return (
    <Section title={t('tabBranches')} flush>
      <table className={classes['compared']}>
        <thead>
          <tr>
            <th scope="col">{t('branch')}</th>
            <th scope="col">{t('compareA')}</th>
            <th scope="col">{t('compareB')}</th>
            <th scope="col" className={classes['mark']} aria-label={t('differs')} />
          </tr>
        </thead>
        <tbody>
          {pairs.slice(0, pairsShown).map((pair, i) => (
            <tr key={i} data-differs={pair.differs}>
              <th scope="row">{pair.name}</th>
              <td>{side(pair.a, 'onlyB')}</td>
              <td>{side(pair.b, 'onlyA')}</td>
              <td>{pair.differs && <Mark tone="warn" text={t('differs')} />}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Section>
  )
}
