import { Tabs } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { lazy, Suspense, useMemo, useState } from 'react'
import { Link, useParams, useSearchParams } from 'react-router'
import { useWords } from '@/i18n'
import { span } from '@/i18n/format.ts'
import { Facts } from '@/saga/Facts.tsx'
import { SagaGraph } from '@/saga/graph'
import { Json } from '@/saga/Json.tsx'
import { useSubs } from '@/saga/useSubs.ts'
import { useVersionNumbers } from '@/saga/useVersions.ts'
import { ActionDialog } from '@/shared/ActionDialog.tsx'
import { sagaAction } from '@/shared/actions/transactions.ts'
import type { Action } from '@/shared/actions/model.ts'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { Loading } from '@/shared/Loading.tsx'
import { MayButton } from '@/shared/May.tsx'
import { Page, Section } from '@/shared/Page.tsx'
import { latenessOf, Mark, StatusBadge } from '@/shared/StatusBadge.tsx'
import { useNow, When } from '@/shared/When.tsx'
import { Xid, numberOf } from '@/shared/Xid.tsx'
import type { Liveness } from '@/api/stream.ts'
import { Bars } from './Bars.tsx'
import { Events } from './Events.tsx'
import { branchesOf, paintsOf, type Run, type RunStep } from './paint.ts'
import classes from './runs.module.css'
import { StepPanel } from './StepPanel.tsx'
import { whyNotMove } from './moving.ts'
import { useDefinition, useRun } from './useRun.ts'
import { Waits } from './Waits.tsx'
import { words } from './words.ts'

const MoveDialog = lazy(() => import('@/saga/move/MoveDialog.tsx'))

/** OneRun is a run of a saga: where it is, how it came there, and what can be done. */
export default function OneRun() {
  const t = useWords(words)
  const { xid = '' } = useParams()
  const { run, liveness } = useRun(xid)
  const trail = [{ text: t('runs'), to: '/runs' }]
  if (!run.data) {
    return (
      <Page title={t('run', { id: numberOf(xid) })} trail={trail}>
        {run.error ? <ErrorBox error={run.error} retry={() => void run.refetch()} /> : <Loading rows={10} />}
      </Page>
    )
  }
  return <Shown run={run.data} error={run.error} liveness={liveness} />
}

function Shown({ run, error, liveness }: { run: Run; error: unknown; liveness: Liveness | undefined }) {
  const t = useWords(words)
  const client = useQueryClient()
  const id = numberOf(run.xid ?? '')
  const [search, setSearch] = useSearchParams()
  const { version, steps, readable, loading } = useDefinition(run)
  const { open, fold } = useSubs(version)
  const [action, setAction] = useState<Action>()
  const [moving, setMoving] = useState(false)
  const paints = useMemo(() => paintsOf(run, steps, open), [run, steps, open])
  const branches = useMemo(() => branchesOf(run), [run])
  const path = search.get('step') ?? Object.keys(paints).find((each) => paints[each]?.current)
  const cut = path?.lastIndexOf('/') ?? -1
  const level = cut < 0 ? steps : (open[path!.slice(0, cut)] ?? [])
  const step = level.find((each) => each.id === path?.slice(cut + 1))
  const set = (name: string, value: string | undefined) =>
    setSearch(
      (was) => {
        const next = new URLSearchParams(was)
        if (value) next.set(name, value)
        else next.delete(name)
        return next
      },
      { replace: true },
    )
  const act = (what: 'retry' | 'skip', one: RunStep) =>
    setAction(sagaAction(run.xid!, { action: what, branch: one.branch, step: one.name }))
  return (
    <Page
      title={[version?.title || run.saga || t('run', { id }), run.key].filter(Boolean).join(' · ')}
      trail={[
        { text: t('runs'), to: '/runs' },
        { text: run.saga ?? '', to: `/runs?saga=${encodeURIComponent(run.saga ?? '')}` },
      ]}
      mark={<Marks run={run} liveness={liveness} />}
      actions={<Actions run={run} onAct={setAction} onMove={() => setMoving(true)} />}
    >
      {!!error && <ErrorBox error={error} stale />}
      <Top run={run} />
      <Waits run={run} text={version?.text} onAct={setAction} />
      <Section title={t('graph')} flush>
        {!readable && <p className={`dim ${classes['filters']}`}>{t('notReadable')}</p>}
        <div className={classes['work']}>
          {loading ? (
            <Loading rows={8} />
          ) : (
            <SagaGraph
              steps={steps}
              paint={paints}
              painted
              selected={path}
              label={t('graphOf', { id })}
              open={open}
              onFold={fold}
              onSelect={(to) => set('step', to)}
            />
          )}
          <aside className={classes['panel']} aria-label={t('step', { step: path ?? '' })}>
            <StepPanel
              run={run}
              path={path}
              step={step}
              branches={branches.get(path ?? '') ?? []}
              onFold={fold}
              onAct={act}
            />
          </aside>
        </div>
      </Section>
      <Happened
        run={run}
        selected={path}
        onSelect={(to) => set('step', to)}
        tab={search.get('tab')}
        setTab={(to) => set('tab', to)}
      />
      <ActionDialog
        action={action}
        onAccepted={() => void client.invalidateQueries({ queryKey: ['run'] })}
        onClose={() => setAction(undefined)}
      />
      {moving && (
        <Suspense>
          <MoveDialog
            saga={run.saga ?? ''}
            from={run.version ?? 0}
            xid={run.xid}
            onClose={() => setMoving(false)}
          />
        </Suspense>
      )}
    </Page>
  )
}

function Marks({ run, liveness }: { run: Run; liveness: Liveness | undefined }) {
  const t = useWords(words)
  return (
    <>
      <StatusBadge status={run.status} stuck={run.stuck} heuristic={run.heuristic} late={latenessOf(run)} />
      {liveness === 'live' && <Mark tone="good" text={t('liveNow')} />}
      {liveness === 'stale' && <Mark tone="warn" text={t('staleNow')} help={t('staleHelp')} />}
    </>
  )
}

function Top({ run }: { run: Run }) {
  const t = useWords(words)
  const now = useNow()
  const saga = run.saga ?? ''
  const end = run.endedAt ? Date.parse(run.endedAt) : now
  const decided = run.decidedAt ? Date.parse(run.decidedAt) : now
  return (
    <section className={`card ${classes['top']}`} aria-label={t('explanation')}>
      <div>
        <p className={classes['why']} data-tone={run.stuck ? 'bad' : undefined}>
          {run.explanation}
        </p>
        {run.advice && <p className={classes['advice']}>{run.advice}</p>}
        {run.failure && !run.explanation?.includes(run.failure) && (
          <p className={classes['advice']}>{run.failure}</p>
        )}
      </div>
      <Facts
        facts={[
          [
            t('definition'),
            <Link key="d" to={`/sagas/${encodeURIComponent(saga)}?version=${run.version}`}>
              {saga}@{run.version}
            </Link>,
          ],
          [t('key'), run.key && <span className="mono">{run.key}</span>],
          [t('transaction'), <Xid key="x" xid={run.xid ?? ''} />],
          [t('application'), run.application],
          [t('began'), <When key="b" at={run.beganAt} />],
          [t('deadline'), (run.late || !run.endedAt) && <When key="l" at={run.deadlineAt} />],
          [t('lateBy'), run.late && span(decided - Date.parse(run.deadlineAt ?? ''))],
          [t('ended'), run.endedAt && <When key="e" at={run.endedAt} />],
          [t(run.endedAt ? 'took' : 'runsFor'), span(end - Date.parse(run.beganAt ?? ''))],
        ]}
      />
    </section>
  )
}

function Actions(props: { run: Run; onAct: (action: Action) => void; onMove: () => void }) {
  const t = useWords(words)
  const { run, onAct, onMove } = props
  const allowed = new Set<string>(run.actions ?? [])
  const over = run.status === 'Committed' || run.status === 'RolledBack'
  const why = (action: string) => (allowed.has(action) ? undefined : t(over ? 'itHasEnded' : 'notNow'))
  const stays = whyNotMove(run, useVersionNumbers(run.saga ?? ''))
  const make = (action: 'cancel' | 'resume' | 'finish') => () => onAct(sagaAction(run.xid!, { action }))
  return (
    <>
      <MayButton role="operator" variant="default" onClick={onMove} reason={stays && t(stays)}>
        {t('move')}
      </MayButton>
      {run.status === 'Active' && run.stuck && (
        <MayButton role="resolver" variant="default" onClick={make('finish')}>
          {t('finish')}
        </MayButton>
      )}
      <MayButton role="operator" variant="default" reason={why('cancel')} onClick={make('cancel')}>
        {t('cancel')}
      </MayButton>
      <MayButton role="operator" reason={why('resume')} onClick={make('resume')}>
        {t('resume')}
      </MayButton>
    </>
  )
}

interface HappenedProps {
  run: Run
  selected: string | undefined
  onSelect: (path: string) => void
  tab: string | null
  setTab: (tab: string | undefined) => void
}

function Happened({ run, selected, onSelect, tab, setTab }: HappenedProps) {
  const t = useWords(words)
  return (
    <Section title={t('happened')} flush>
      <Tabs
        value={tab ?? 'time'}
        onChange={(to) => setTab(to === 'time' || !to ? undefined : to)}
        keepMounted={false}
      >
        <Tabs.List px={8}>
          <Tabs.Tab value="time">{t('timeline')}</Tabs.Tab>
          <Tabs.Tab value="events">{t('events')}</Tabs.Tab>
          <Tabs.Tab value="data">{t('data')}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="time">
          <Bars run={run} selected={selected} onSelect={onSelect} />
        </Tabs.Panel>
        <Tabs.Panel value="events">
          <Events run={run} />
        </Tabs.Panel>
        <Tabs.Panel value="data">
          <div className={classes['two']}>
            <div>
              <h3>{t('input')}</h3>
              <Json value={run.input} label={t('input')} />
            </div>
            <div>
              <h3>{t('output')}</h3>
              {run.output === undefined && <p className="dim">{t('noOutput')}</p>}
              {run.output !== undefined && <Json value={run.output} label={t('output')} />}
            </div>
          </div>
        </Tabs.Panel>
      </Tabs>
    </Section>
  )
}
