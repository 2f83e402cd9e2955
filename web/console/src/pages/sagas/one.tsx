import { Button, NativeSelect, Tabs, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense, useMemo, useState } from 'react'
import { Link, useParams, useSearchParams } from 'react-router'
import { api, ask, type Schemas } from '@/api/client.ts'
import { usePages } from '@/api/pages.ts'
import { useWords } from '@/i18n'
import { RunTable } from '@/pages/runs/index.tsx'
import { Facts } from '@/saga/Facts.tsx'
import { SagaGraph, type GraphStep } from '@/saga/graph'
import { kindText } from '@/saga/graph/describe.ts'
import { Json } from '@/saga/Json.tsx'
import { readDefinition } from '@/saga/text.ts'
import { graphSteps, loadVersion, useSubs, versionKey } from '@/saga/useSubs.ts'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { Loading } from '@/shared/Loading.tsx'
import { MayButton } from '@/shared/May.tsx'
import { Page } from '@/shared/Page.tsx'
import { Mark } from '@/shared/StatusBadge.tsx'
import { When } from '@/shared/When.tsx'
import { Copy } from '@/shared/Xid.tsx'
import { countText, useLiveCounts, type LiveCounts } from './counts.ts'
import { Difference } from './Difference.tsx'
import { Explored } from './Explored.tsx'
import { fileName, sourceOf } from './importing.ts'
import classes from './sagas.module.css'
import { Versions } from './Versions.tsx'
import { words } from './words.ts'

const StartRun = lazy(() => import('./StartRun.tsx'))
const MoveDialog = lazy(() => import('@/saga/move/MoveDialog.tsx'))

type Version = Schemas['SagaVersion']
type Set = (changes: Record<string, string | undefined>) => void

const tabs = ['graph', 'text', 'versions', 'diff', 'explored', 'runs'] as const
const tabWords = {
  graph: 'tabGraph',
  text: 'tabText',
  versions: 'tabVersions',
  diff: 'tabDiff',
  explored: 'tabExplored',
  runs: 'tabRuns',
} as const

/** OneSaga is a published definition: a version of it, how it differs from others, and its runs. */
export default function OneSaga() {
  const t = useWords(words)
  const { saga = '' } = useParams()
  const [search, setSearch] = useSearchParams()
  const asked = Number(search.get('version')) || undefined
  const shown = useQuery({
    queryKey: versionKey(saga, asked),
    queryFn: ({ signal }) => loadVersion(saga, asked, signal),
    staleTime: asked ? Infinity : 5000,
    refetchInterval: asked ? false : 15_000,
  })
  const set: Set = (changes) =>
    setSearch(
      (was) => {
        const next = new URLSearchParams(was)
        for (const [name, value] of Object.entries(changes)) {
          if (value === undefined) next.delete(name)
          else next.set(name, value)
        }
        return next
      },
      { replace: !('version' in changes || 'tab' in changes) },
    )
  if (!shown.data) {
    return (
      <Page title={saga} trail={[{ text: t('sagas'), to: '/sagas' }]}>
        {shown.error ? (
          <ErrorBox error={shown.error} retry={() => void shown.refetch()} />
        ) : (
          <Loading rows={10} />
        )}
      </Page>
    )
  }
  return <Shown saga={saga} shown={shown.data} search={search} set={set} />
}

interface ShownProps {
  saga: string
  shown: Version
  search: URLSearchParams
  set: Set
}

function Shown({ saga, shown, search, set }: ShownProps) {
  const t = useWords(words)
  const versions = useVersions(saga)
  const counts = useLiveCounts(saga)
  const [dialog, setDialog] = useState<'start' | 'move'>()
  const tab = tabs.find((each) => each === search.get('tab')) ?? 'graph'
  const isNewest = shown.version === (versions.rows[0]?.version ?? shown.version)
  return (
    <Page
      title={shown.title || saga}
      trail={[{ text: t('sagas'), to: '/sagas' }]}
      mark={
        <>
          <Mark tone={isNewest ? 'good' : 'idle'} text={t(isNewest ? 'newest' : 'older')} />
          {shown.language === 'seata' && <Mark tone="idle" text={t('seata')} />}
          {shown.unreadable && <Mark tone="bad" text={t('unreadable')} help={shown.unreadable} />}
        </>
      }
      actions={<Actions shown={shown} onStart={() => setDialog('start')} onMove={() => setDialog('move')} />}
    >
      <Top
        saga={saga}
        shown={shown}
        counts={counts}
        numbers={versions.rows.map((row) => row.version ?? 0)}
        set={set}
      />
      <section className="card" aria-label={t(tabWords[tab])}>
        <Tabs
          value={tab}
          keepMounted={false}
          onChange={(to) => set({ tab: to && to !== 'graph' ? to : undefined, step: undefined })}
        >
          <Tabs.List px={8}>
            {tabs.map((each) => (
              <Tabs.Tab key={each} value={each}>
                {t(tabWords[each])}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          <Tabs.Panel value={tab}>
            <Panel {...{ tab, saga, shown, search, set, counts, versions }} />
          </Tabs.Panel>
        </Tabs>
      </section>
      <Suspense>
        {dialog === 'start' && (
          <StartRun
            saga={saga}
            version={isNewest ? undefined : shown.version}
            onClose={() => setDialog(undefined)}
          />
        )}
        {dialog === 'move' && (
          <MoveDialog saga={saga} from={shown.version ?? 0} onClose={() => setDialog(undefined)} />
        )}
      </Suspense>
    </Page>
  )
}

function useVersions(saga: string) {
  return usePages<Version>({
    key: ['sagaVersions', saga],
    every: 15_000,
    load: (cursor, signal) => {
      const params = { path: { saga }, query: { limit: 100, ...(cursor ? { cursor } : {}) } }
      const page = api.GET('/api/v1/sagas/definitions/{saga}/versions', { params, signal })
      return ask(page) as Promise<{ items: Version[] }>
    },
  })
}

interface PanelProps extends ShownProps {
  tab: (typeof tabs)[number]
  counts: LiveCounts | undefined
  versions: ReturnType<typeof useVersions>
}

function Panel({ tab, saga, shown, search, set, counts, versions }: PanelProps) {
  const step = search.get('step') ?? undefined
  switch (tab) {
    case 'graph':
      return <Graph shown={shown} step={step} onStep={(to) => set({ step: to })} />
    case 'text':
      return <Written shown={shown} />
    case 'versions':
      return (
        <Versions
          saga={saga}
          shown={shown.version}
          rows={versions.rows}
          counts={counts}
          more={versions.more}
          onMore={versions.onMore}
          onOpen={(version) => set({ version: String(version), tab: undefined })}
        />
      )
    case 'diff':
      return (
        <Difference
          shown={shown}
          versions={versions.rows.map((row) => row.version ?? 0)}
          other={Number(search.get('with')) || undefined}
          onOther={(version) => set({ with: String(version) })}
          how={search.get('how') === 'text' ? 'text' : 'graph'}
          onHow={(how) => set({ how: how === 'text' ? how : undefined })}
          selected={step}
          onSelect={(to) => set({ step: to })}
        />
      )
    case 'explored':
      return <Explored text={shown.text ?? ''} digest={shown.digest ?? ''} />
    case 'runs':
      return <RunTable filter={{ saga }} />
  }
}

function Top(props: {
  saga: string
  shown: Version
  counts: LiveCounts | undefined
  numbers: number[]
  set: Set
}) {
  const t = useWords(words)
  const { saga, shown, counts, numbers, set } = props
  const subs = Object.entries(shown.subs ?? {})
  const all = numbers.includes(shown.version!) ? numbers : [shown.version!, ...numbers]
  return (
    <section className={`card ${classes['top']}`} aria-label={t('version')}>
      <Facts
        facts={[
          [
            t('version'),
            <NativeSelect
              key="v"
              size="xs"
              aria-label={t('showVersion')}
              value={String(shown.version)}
              data={all.map(String)}
              onChange={(event) => set({ version: event.currentTarget.value, step: undefined })}
            />,
          ],
          [
            t('name'),
            <span key="n" className="mono">
              {saga}
            </span>,
          ],
          [t('published'), <When key="a" at={shown.at} />],
          [t('by'), shown.by],
          [t('note'), shown.note],
          [
            t('running'),
            counts && (
              <Link key="r" to={`/runs?saga=${encodeURIComponent(saga)}&live=true`}>
                {countText(counts, `${saga}@${shown.version}`)}
              </Link>
            ),
          ],
          [
            t('subs'),
            subs.length > 0 &&
              subs.map(([name, version]) => (
                <Link
                  key={name}
                  to={`/sagas/${encodeURIComponent(name)}?version=${version}`}
                  className={classes['sub']!}
                >
                  {name}@{version}
                </Link>
              )),
          ],
          [
            t('digest'),
            <span key="d" className="mono">
              {shown.digest?.slice(0, 12)} <Copy text={shown.digest ?? ''} />
            </span>,
          ],
        ]}
      />
    </section>
  )
}

function Actions({ shown, onStart, onMove }: { shown: Version; onStart: () => void; onMove: () => void }) {
  const t = useWords(words)
  const designer = `/designer/${encodeURIComponent(shown.name ?? '')}?version=${shown.version}`
  const seata = shown.language === 'seata'
  return (
    <>
      <Button variant="default" onClick={() => download(shown)}>
        {t('export')}
      </Button>
      {!seata && (
        <>
          <MayButton role="operator" variant="default" onClick={onMove}>
            {t('move')}
          </MayButton>
          <Button variant="default" component={Link} to={`${designer}&dock=simulate`}>
            {t('simulate')}
          </Button>
          <Button variant="default" component={Link} to={designer}>
            {t('edit')}
          </Button>
        </>
      )}
      <MayButton role="service" reason={shown.unreadable} onClick={onStart}>
        {t('start')}
      </MayButton>
    </>
  )
}

/** download gives the text of a version as it was published; a state machine as it was imported. */
function download(shown: Version): void {
  const text = sourceOf(shown.text ?? '').machine
  const address = URL.createObjectURL(new Blob([text]))
  const link = document.createElement('a')
  link.href = address
  link.download = fileName(shown.name ?? '', shown.version ?? 0, shown.language, text)
  link.click()
  setTimeout(() => URL.revokeObjectURL(address), 1000)
}

interface GraphProps {
  shown: Version
  step: string | undefined
  onStep: (step: string | undefined) => void
}

function Graph({ shown, step, onStep }: GraphProps) {
  const t = useWords(words)
  const steps = useMemo(() => graphSteps(shown), [shown])
  const { open, fold, error } = useSubs(shown)
  const cut = step?.lastIndexOf('/') ?? -1
  const level = cut < 0 ? steps : (open[step!.slice(0, cut)] ?? [])
  const chosen = level.find((each) => each.id === step?.slice(cut + 1))
  return (
    <>
      {!!error && <ErrorBox error={error} />}
      <div className={classes['work']}>
        <SagaGraph
          steps={steps}
          open={open}
          onFold={fold}
          selected={step}
          onSelect={onStep}
          label={t('graphOf', { saga: shown.name ?? '' })}
        />
        <aside className={classes['panel']} aria-label={t('written')}>
          {chosen ? (
            <Chosen shown={shown} step={chosen} own={cut < 0} />
          ) : (
            <Text c="dimmed">{t('pickStep')}</Text>
          )}
        </aside>
      </div>
    </>
  )
}

function Chosen({ shown, step, own }: { shown: Version; step: GraphStep; own: boolean }) {
  const t = useWords(words)
  const written = useMemo(() => {
    const steps = own ? readDefinition(shown.text)?.['steps'] : undefined
    if (!Array.isArray(steps)) return undefined
    return (steps as ({ id?: unknown } | null)[]).find((each) => each?.id === step.id)
  }, [shown, step, own])
  return (
    <>
      <Title order={3}>{step.title || step.id}</Title>
      <Text size="sm" c="dimmed" mb="sm">
        <span className="mono">{step.id}</span> · {kindText(step.kind)}
      </Text>
      <Json value={written ?? step} label={t('written')} />
    </>
  )
}

function Written({ shown }: { shown: Version }) {
  const t = useWords(words)
  const text = sourceOf(shown.text ?? '').machine
  return (
    <pre
      className={classes['code']}
      tabIndex={0}
      role="region"
      aria-label={t('textOf', { saga: shown.name ?? '', version: shown.version ?? 0 })}
    >
      {text
        .replace(/\n$/, '')
        .split('\n')
        .map((line, i) => (
          <span key={i}>{line || ' '}</span>
        ))}
    </pre>
  )
}
