import { Button, NativeSelect, NumberInput } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { Link } from 'react-router'
import { api, ask, type Schemas } from '@/api/client.ts'
import { usePlayground } from '@/app/features.ts'
import { words as appWords } from '@/app/words.ts'
import { useWords } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { Empty } from '@/shared/Empty.tsx'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { Loading } from '@/shared/Loading.tsx'
import { MayButton } from '@/shared/May.tsx'
import { Page, Section } from '@/shared/Page.tsx'
import { Mark, type Tone } from '@/shared/StatusBadge.tsx'
import { When } from '@/shared/When.tsx'
import { numberOf } from '@/shared/Xid.tsx'
import classes from './playground.module.css'
import { known, words } from './words.ts'

const key = ['playground'] as const
const kinds = ['transaction', 'saga', 'locks', 'events', 'mixed'] as const

/** Start lets a newcomer see every screen alive: samples of everything, with failures on request. */
export default function Start() {
  const t = useWords(words)
  const there = usePlayground()
  const all = useQuery({
    queryKey: key,
    queryFn: ({ signal }) => ask(api.GET('/api/v1/playground', { signal })),
    refetchInterval: 1000,
    enabled: there,
  })
  if (!there) {
    return (
      <Page title={t('title')}>
        <div className="card">
          <Empty title={t('none')} text={t('noneHelp')} />
        </div>
      </Page>
    )
  }
  const scenarios = all.data?.scenarios ?? []
  const runs = all.data?.runs ?? []
  const running = runs.filter((run) => run.state === 'running')
  const full =
    running.length >= (all.data?.runsMax ?? Infinity) ? t('runsMax', { n: running.length }) : undefined
  const everything = scenarios.find((each) => each.name === 'everything')
  return (
    <Page
      title={t('title')}
      text={t('intro')}
      actions={
        <>
          <StopButton runs={running} text={t('stopAll')} />
          {everything && (
            <StartButton scenario={everything} wish={{}} text={t('startAll')} reason={full} main />
          )}
        </>
      }
    >
      {all.isPending && <Loading />}
      {all.error && <ErrorBox error={all.error} retry={() => void all.refetch()} stale={!!all.data} />}
      <Runs runs={runs} loaded={!!all.data} />
      {kinds.map((kind) => {
        const some = scenarios.filter((each) => each.kind === kind && each.name !== 'everything')
        if (some.length === 0) return null
        return (
          <Section key={kind} title={t(`kind.${kind}`)}>
            <ul className={classes['grid']}>
              {some.map((scenario) => (
                <Scenario key={scenario.name} scenario={scenario} reason={full} />
              ))}
            </ul>
          </Section>
        )
      })}
    </Page>
  )
}

type ScenarioView = Schemas['PlaygroundScenario']
type Wish = Schemas['PlaygroundWish']

function useTitle(): (scenario: string, fallback?: string) => string {
  const t = useWords(words)
  return (scenario, fallback) => (known(scenario) ? t(scenario) : (fallback ?? scenario))
}

function Scenario({ scenario, reason }: { scenario: ScenarioView; reason: string | undefined }) {
  const t = useWords(words)
  const title = useTitle()
  const name = scenario.name ?? ''
  const help = `${name}.help`
  const [wish, setWish] = useState<Wish>({
    count: scenario.count ?? 1,
    rate: scenario.rate ?? 10,
    seconds: scenario.seconds ?? 2,
    failure: scenario.failures?.[0] ?? 'none',
  })
  const slow = wish.failure === 'slow' || wish.failure === 'timeout'
  const number = (field: 'count' | 'rate' | 'seconds', label: string, max: number) => (
    <NumberInput
      size="xs"
      label={label}
      min={1}
      max={max}
      value={wish[field] ?? 1}
      w={104}
      allowDecimal={false}
      onChange={(value) => setWish({ ...wish, [field]: Number(value) || 1 })}
    />
  )
  return (
    <li className={classes['scenario']}>
      <h3>{title(name, scenario.title)}</h3>
      <p>{known(help) ? t(help) : scenario.description}</p>
      <div className={classes['form']}>
        {(scenario.failures?.length ?? 0) > 1 && (
          <NativeSelect
            size="xs"
            label={t('failure')}
            value={wish.failure ?? 'none'}
            className={classes['failure']!}
            onChange={(event) => setWish({ ...wish, failure: event.currentTarget.value })}
            data={(scenario.failures ?? []).map((value) => ({
              value,
              label: known(`failure.${value}`) ? t(`failure.${value}` as 'failure.none') : value,
            }))}
          />
        )}
        {!scenario.timed && (scenario.countMax ?? 1) > 1 && number('count', t('count'), scenario.countMax ?? 1)}
        {scenario.timed && scenario.kind === 'mixed' && number('rate', t('rate'), 50)}
        {(scenario.timed || slow) && number('seconds', t(scenario.timed ? 'seconds' : 'slowness'), 600)}
        <StartButton scenario={scenario} wish={wish} text={t('start')} reason={reason} />
      </div>
    </li>
  )
}

function StartButton(props: {
  scenario: ScenarioView
  wish: Wish
  text: string
  reason: string | undefined
  main?: boolean
}) {
  const client = useQueryClient()
  const title = useTitle()
  const scenario = props.scenario.name ?? ''
  const start = useMutation({
    mutationFn: () =>
      ask(api.POST('/api/v1/playground/{scenario}', { params: { path: { scenario } }, body: props.wish })),
    onSettled: () => client.invalidateQueries({ queryKey: key }),
  })
  return (
    <>
      <MayButton
        role="operator"
        size={props.main ? 'sm' : 'xs'}
        variant={props.main ? 'filled' : 'default'}
        aria-label={props.main ? undefined : `${props.text}: ${title(scenario, props.scenario.title)}`}
        loading={start.isPending}
        reason={props.reason}
        onClick={() => start.mutate()}
      >
        {props.text}
      </MayButton>
      {start.error && <ErrorBox error={start.error} />}
    </>
  )
}

function StopButton({ runs, text }: { runs: readonly Schemas['PlaygroundRun'][]; text: string }) {
  const client = useQueryClient()
  const title = useTitle()
  const stop = useMutation({
    mutationFn: () =>
      Promise.all(
        runs.map((run) =>
          ask(api.DELETE('/api/v1/playground/runs/{run}', { params: { path: { run: run.id ?? '' } } })),
        ),
      ),
    onSettled: () => client.invalidateQueries({ queryKey: key }),
  })
  if (runs.length === 0) return null
  const only = runs.length === 1 ? `${text}: ${title(runs[0]?.scenario ?? '')}` : undefined
  return (
    <>
      <Button
        size="xs"
        variant="default"
        loading={stop.isPending}
        aria-label={only}
        onClick={() => stop.mutate()}
      >
        {text}
      </Button>
      {stop.error && <ErrorBox error={stop.error} />}
    </>
  )
}

const tones: Record<string, Tone> = { running: 'work', ended: 'good', stopped: 'idle', failed: 'bad' }

function Runs({ runs, loaded }: { runs: readonly Schemas['PlaygroundRun'][]; loaded: boolean }) {
  const t = useWords(words)
  const title = useTitle()
  if (!loaded) return null
  return (
    <Section title={t('running')} flush>
      {runs.length === 0 && <p className={classes['quiet']}>{t('runsNone')}</p>}
      <ul className={classes['runs']} aria-live="polite">
        {runs.slice(0, 8).map((run) => (
          <li key={run.id}>
            <Mark tone={tones[run.state ?? ''] ?? 'idle'} text={t(`state.${run.state ?? 'ended'}`)} />
            <strong>{title(run.scenario ?? '')}</strong>
            <span className="dim num">
              {t('begun', { count: count(run.begun ?? 0) })}
              {!!run.refused && `, ${t('refused', { count: count(run.refused) })}`}
            </span>
            <When at={run.beganAt} />
            <Looks run={run} />
            {run.state === 'running' && <StopButton runs={[run]} text={t('stop')} />}
            {run.error && <span className={classes['error']}>{run.error}</span>}
          </li>
        ))}
      </ul>
    </Section>
  )
}

/** places are the screens on which a scenario is to be seen. */
const places: Record<string, readonly (readonly [string, string])[]> = {
  stuck: [['inbox', '/inbox']],
  locks: [['locks', '/locks?tab=graph']],
  deadletters: [
    ['inbox', '/inbox?kind=letter'],
    ['events', '/events'],
  ],
}

function Looks({ run }: { run: Schemas['PlaygroundRun'] }) {
  const t = useWords(words)
  const app = useWords(appWords)
  const newest = run.xids?.at(-1)
  const saga = ['order', 'travel', 'payroll', 'trip', 'purchase', 'delivery'].includes(run.scenario ?? '')
  const to = newest && (saga ? `/runs/${numberOf(newest)}` : `/transactions/${numberOf(newest)}`)
  const list = places[run.scenario ?? ''] ?? [saga ? ['runs', '/runs'] : ['transactions', '/transactions']]
  return (
    <span className={classes['looks']}>
      <span className="dim">{t('look')}</span>
      {to && <Link to={to}>{t('newest')}</Link>}
      {list.map(([word, path]) => (
        <Link key={path} to={path!}>
          {app(word as 'inbox')}
        </Link>
      ))}
    </span>
  )
}
