import { Button, SegmentedControl, Tabs } from '@mantine/core'
import { useMemo, useState } from 'react'
import { Link, useParams, useSearchParams } from 'react-router'
import type { Schemas } from '@/api/client.ts'
import { useWords } from '@/i18n'
import type { Action } from '@/shared/actions/model.ts'
import { reasonAgainst } from '@/shared/actions/possible.ts'
import { transactionAction, type Operation } from '@/shared/actions/transactions.ts'
import { ActionDialog } from '@/shared/ActionDialog.tsx'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { Loading } from '@/shared/Loading.tsx'
import { MayButton } from '@/shared/May.tsx'
import { Page } from '@/shared/Page.tsx'
import { Mark, StatusBadge } from '@/shared/StatusBadge.tsx'
import { Timeline } from '@/shared/Timeline.tsx'
import { useTimelineState } from '@/shared/timeline/state.ts'
import { useNow } from '@/shared/When.tsx'
import { Copy, numberOf } from '@/shared/Xid.tsx'
import { AuditTab } from './Audit.tsx'
import { Branches } from './Branches.tsx'
import { hasEnded, useDecision, useDetail, useGroups, useHistory, useWhy } from './data.ts'
import { Head } from './Head.tsx'
import { HistoryTab } from './History.tsx'
import { LocksTab } from './Locks.tsx'
import { Messages } from './Messages.tsx'
import { Payload } from './Payload.tsx'
import { ReplayPanel } from './Replay.tsx'
import { TimelineTable } from './TimelineTable.tsx'
import { groupNames, lanesOf } from './timeline.ts'
import classes from './transaction.module.css'
import { words } from './words.ts'

type Detail = Schemas['TransactionDetail']

/** TransactionPage shows all that is known of one transaction, while it changes. */
export default function TransactionPage() {
  const { xid = '' } = useParams()
  const t = useWords(words)
  const { query, liveness, follow } = useDetail(xid)
  const trail = [{ text: t('transactions'), to: '/transactions' }]
  const title = t('title', { id: numberOf(xid) })
  if (!query.data) {
    return (
      <Page title={title} trail={trail}>
        {query.error ? (
          <ErrorBox error={query.error} retry={() => void query.refetch()} />
        ) : (
          <Loading rows={10} />
        )}
      </Page>
    )
  }
  const stale = follow && liveness === 'stale'
  return (
    <One
      key={xid}
      xid={xid}
      detail={query.data}
      title={title}
      live={follow ? (stale ? 'stale' : liveness === 'live' ? 'live' : '') : ''}
      error={query.error}
    />
  )
}

const tabs = ['timeline', 'branches', 'payload', 'locks', 'history', 'messages', 'audit'] as const
type Tab = (typeof tabs)[number]

function One({
  xid,
  detail,
  title,
  live,
  error,
}: {
  xid: string
  detail: Detail
  title: string
  live: 'live' | 'stale' | ''
  error: unknown
}) {
  const t = useWords(words)
  const [params, setParams] = useSearchParams()
  const [action, setAction] = useState<Action>()
  const why = useWhy(xid)
  const decision = useDecision(xid, detail.decision !== undefined)
  const tab = tabs.find((one) => one === params.get('tab')) ?? 'timeline'
  const whole = detail.xid ?? xid
  const act = (op: Operation) => setAction(transactionAction(whole, op))
  const setTab = (next: string | null) =>
    setParams(
      (was) => {
        const params = new URLSearchParams(was)
        if (next && next !== 'timeline') params.set('tab', next)
        else params.delete('tab')
        return params
      },
      { replace: true },
    )
  const counts: Partial<Record<Tab, number>> = {
    branches: detail.branches?.length ?? 0,
    locks: detail.lockCount ?? 0,
    messages: decision.data?.published?.length ?? 0,
  }
  return (
    <Page
      title={title}
      trail={[{ text: t('transactions'), to: '/transactions' }]}
      mark={
        <>
          <StatusBadge status={detail.status} stuck={detail.stuck} heuristic={detail.heuristic} />
          {live && (
            <Mark
              tone={live === 'live' ? 'good' : 'warn'}
              text={t(live)}
              help={live === 'stale' ? t('staleHelp') : undefined}
            />
          )}
        </>
      }
      text={
        <span className="mono">
          {whole} <Copy text={whole} />
        </span>
      }
      actions={<Actions detail={detail} xid={whole} why={why.data} act={act} />}
    >
      {!!error && <ErrorBox error={error} stale />}
      <Head detail={detail} why={why.data} decision={decision.data} />
      <section className={`card ${classes['tabBody']}`}>
        <Tabs value={tab} onChange={setTab} keepMounted={false}>
          <Tabs.List px="xs" pt={4}>
            {tabs.map((one) => (
              <Tabs.Tab key={one} value={one}>
                {t(`tab${one[0]!.toUpperCase()}${one.slice(1)}` as 'tabTimeline')}
                {!!counts[one] && <span className="dim num"> {counts[one]}</span>}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          <Tabs.Panel value="timeline">
            <TimelineTab xid={xid} detail={detail} decision={decision.data ?? undefined} />
          </Tabs.Panel>
          <Tabs.Panel value="branches">
            <Branches detail={detail} why={why.data} act={act} />
          </Tabs.Panel>
          <Tabs.Panel value="payload">
            <Payload detail={detail} />
          </Tabs.Panel>
          <Tabs.Panel value="locks">
            <LocksTab detail={detail} />
          </Tabs.Panel>
          <Tabs.Panel value="history">
            <HistoryTab xid={xid} detail={detail} />
          </Tabs.Panel>
          <Tabs.Panel value="messages">
            <Messages detail={detail} decision={decision} />
          </Tabs.Panel>
          <Tabs.Panel value="audit">
            <AuditTab xid={whole} />
          </Tabs.Panel>
        </Tabs>
      </section>
      <ActionDialog
        action={action}
        onClose={() => setAction(undefined)}
        onAccepted={() => void why.refetch()}
      />
    </Page>
  )
}

function Actions({
  detail,
  xid,
  why,
  act,
}: {
  detail: Detail
  xid: string
  why: Schemas['Why'] | undefined
  act: (op: Operation) => void
}) {
  const t = useWords(words)
  const active = detail.status === 'Active'
  const wished: Operation['action'][] =
    active && !detail.saga
      ? ['commit', 'rollback']
      : active
        ? ['retry', 'rollback', 'finish']
        : ['retry', 'release']
  return (
    <>
      {detail.saga && (
        <Button component={Link} to={`/runs/${numberOf(xid)}`} variant="default">
          {t('run')}
        </Button>
      )}
      <Button component={Link} to={`/transactions/compare?a=${numberOf(xid)}`} variant="default">
        {t('compareWith')}
      </Button>
      {wished.map((action, i) => (
        <MayButton
          key={action}
          role={action === 'release' || action === 'finish' ? 'resolver' : 'operator'}
          variant={i === 0 && !hasEnded(detail) ? 'filled' : 'default'}
          reason={reasonAgainst({ action }, detail, why) || undefined}
          onClick={() => act({ action })}
        >
          {t(action)}
        </MayButton>
      ))}
    </>
  )
}

function TimelineTab({
  xid,
  detail,
  decision,
}: {
  xid: string
  detail: Detail
  decision: Schemas['DecisionReport'] | undefined
}) {
  const t = useWords(words)
  const [params, setParams] = useSearchParams()
  const history = useHistory(xid)
  const groups = useGroups((decision?.published?.length ?? 0) > 0)
  const [state, onState] = useTimelineState()
  const clock = useNow()
  const now = hasEnded(detail) ? Date.parse(detail.endedAt ?? '') : clock
  const items = history.data?.items
  const lanes = useMemo(
    () => (items ? lanesOf({ detail, history: items, decision, groups: groups.data, now }) : []),
    [detail, items, decision, groups.data, now],
  )
  const names = useMemo(() => groupNames(), [])
  const origin = Date.parse(detail.beganAt ?? '')
  const table = params.get('as') === 'table'
  const at = params.get('at') === null ? undefined : origin + Number(params.get('at'))
  if (history.error && !items) return <ErrorBox error={history.error} retry={() => void history.refetch()} />
  if (!items) return <Loading rows={8} />
  const put = (name: string, value: string | undefined) =>
    setParams(
      (was) => {
        const next = new URLSearchParams(was)
        if (value === undefined) next.delete(name)
        else next.set(name, value)
        return next
      },
      { replace: true, preventScrollReset: true },
    )
  const lead = (
    <SegmentedControl
      size="xs"
      aria-label={t('showAs')}
      value={table ? 'table' : 'lanes'}
      onChange={(value) => put('as', value === 'table' ? 'table' : undefined)}
      data={[
        { value: 'lanes', label: t('lanes') },
        { value: 'table', label: t('table') },
      ]}
    />
  )
  return (
    <>
      {table ? (
        <TimelineTable
          lead={lead}
          lanes={lanes}
          origin={origin}
          failedOnly={state.failedOnly}
          onFailedOnly={(failedOnly) => onState({ failedOnly })}
        />
      ) : (
        <Timeline
          label={t('timelineOf', { id: numberOf(xid) })}
          lanes={lanes}
          names={names}
          state={state}
          onState={onState}
          origin={origin}
          cursor={at}
          lead={lead}
        />
      )}
      <ReplayPanel
        detail={detail}
        history={items}
        origin={origin}
        at={at}
        onAt={(next) => put('at', next === undefined ? undefined : String(next - origin))}
      />
    </>
  )
}
