import { Button, Checkbox, Group, Table, Text, Textarea, TextInput } from '@mantine/core'
import { useState } from 'react'
import type { Schemas } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { count, span } from '@/i18n/format.ts'
import type { GraphStep } from '@/saga/graph/model.ts'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { JsonLine } from './JsonLine.tsx'
import { Mark, type Tone } from '@/shared/StatusBadge.tsx'
import { Copy } from '@/shared/Xid.tsx'
import { Bars } from './Bars.tsx'
import classes from './Panes.module.css'
import { MomentList } from './ExploredPane.tsx'
import { Player } from './Player.tsx'
import { momentsOf, type Moment } from './replay.ts'
import { commandOf, plain, testOf, withWish, type Scenario, type Wish } from './scenario.ts'
import { WishSelect } from './WishSelect.tsx'
import { words } from './words.ts'

/** Simulated is what came of a simulation, and what was asked. */
export interface Simulated {
  readonly asked: Scenario
  readonly of: Schemas['SagaSimulation']
  /** The revision of the text that was simulated. */
  readonly revision: number
}

export interface SimulateProps {
  readonly steps: readonly GraphStep[]
  readonly file: string
  readonly scenario: Scenario
  readonly onScenario: (scenario: Scenario) => void
  readonly run: (scenario: Scenario) => void
  readonly running: boolean
  readonly error: unknown
  readonly simulated: Simulated | undefined
  readonly old: boolean
  readonly at: number
  readonly onAt: (at: number) => void
}

const endTones: Record<string, Tone> = { done: 'good', compensated: 'undo', stuck: 'bad', running: 'warn' }

/** SimulatePane chooses what goes wrong, and plays what comes of it. */
export function SimulatePane(props: SimulateProps) {
  const { simulated } = props
  return (
    <div className={classes['simulate']}>
      <Ask {...props} />
      <div className={classes['column']} role="region" aria-live="polite">
        {!!props.error && <ErrorBox error={props.error} />}
        <Complaints error={props.error} />
        {simulated?.of.result && <Result {...props} result={simulated.of.result} />}
        {simulated?.of.summary && <Summary {...props} summary={simulated.of.summary} />}
        {!simulated && !props.error && <Hint />}
      </div>
    </div>
  )
}

function Hint() {
  const t = useWords(words)
  return (
    <div className={classes['hint']}>
      <Text fw={600}>{t('simulateTitle')}</Text>
      <Text size="sm" c="dimmed">
        {t('simulateHelp')}
      </Text>
    </div>
  )
}

function Complaints({ error }: { error: unknown }) {
  const findings =
    (error as { body?: { findings?: Schemas['SagaFinding'][] } } | undefined)?.body?.findings ?? []
  if (findings.length === 0) return null
  return (
    <ul className={classes['plain']}>
      {findings.slice(0, 8).map((each, i) => (
        <li key={i}>
          {each.path && <code className={classes['rule']}>{each.path}</code>} {each.text}{' '}
          <span className="dim">{each.advice}</span>
        </li>
      ))}
    </ul>
  )
}

function Ask(props: SimulateProps) {
  const t = useWords(words)
  const { scenario, onScenario, steps } = props
  const [bad, setBad] = useState('')
  const start = (asked: Scenario) => {
    try {
      JSON.parse(asked.input || 'null')
    } catch (error) {
      setBad(String((error as Error).message))
      return
    }
    setBad('')
    props.run(asked)
  }
  const wish = (step: string, to: Wish | undefined) => onScenario(withWish(scenario, step, to))
  return (
    <div className={classes['column']}>
      <Group gap="xs">
        <Button size="xs" loading={props.running} onClick={() => start(scenario)}>
          {t('run')}
        </Button>
        <Button
          size="xs"
          variant="default"
          disabled={props.running}
          onClick={() => {
            const next = { ...scenario, random: true, runs: 1, seed: 1 + Math.floor(Math.random() * 999_999) }
            onScenario(next)
            start(next)
          }}
        >
          {t('runRandom')}
        </Button>
        {Object.keys(scenario.wishes).length > 0 && (
          <Button size="xs" variant="subtle" onClick={() => onScenario({ ...scenario, wishes: {} })}>
            {t('forgetWishes')}
          </Button>
        )}
      </Group>
      <Textarea
        size="xs"
        label={t('simulatedInput')}
        value={scenario.input}
        error={bad || undefined}
        autosize
        minRows={3}
        maxRows={8}
        spellCheck={false}
        classNames={{ input: classes['mono']! }}
        onChange={(event) => onScenario({ ...scenario, input: event.currentTarget.value })}
      />
      <Group gap="sm" align="end">
        <Checkbox
          size="xs"
          label={t('random')}
          checked={scenario.random}
          mb={6}
          onChange={(event) => onScenario({ ...scenario, random: event.currentTarget.checked })}
        />
        {scenario.random && (
          <>
            <TextInput
              size="xs"
              w={110}
              type="number"
              label={t('seed')}
              min={0}
              value={scenario.seed}
              onChange={(event) =>
                onScenario({ ...scenario, seed: whole(event.currentTarget.value, 0, 2 ** 31) })
              }
            />
            <TextInput
              size="xs"
              w={90}
              type="number"
              label={t('runs')}
              min={1}
              max={1000}
              value={scenario.runs}
              onChange={(event) => onScenario({ ...scenario, runs: whole(event.currentTarget.value, 1, 1000) })}
            />
          </>
        )}
      </Group>
      <Table className={classes['wishes']!} verticalSpacing={3} aria-label={t('wishes')}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t('step')}</Table.Th>
            <Table.Th>{t('whatItDoes')}</Table.Th>
            <Table.Th>{t('whatUndoDoes')}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {steps
            .filter((step) => step.kind !== 'choice')
            .map((step) => (
              <Table.Tr key={step.id}>
                <Table.Td className="mono">{step.id}</Table.Td>
                <Table.Td>
                  <WishSelect
                    label={t('wishOf', { step: step.id })}
                    wish={scenario.wishes[step.id]}
                    onWish={(to) => wish(step.id, to)}
                  />
                </Table.Td>
                <Table.Td>
                  {step.compensate ? (
                    <WishSelect
                      label={t('wishOfUndo', { step: step.id })}
                      wish={scenario.wishes[`${step.id}.undo`]}
                      onWish={(to) => wish(`${step.id}.undo`, to)}
                    />
                  ) : (
                    <span className="dim">–</span>
                  )}
                </Table.Td>
              </Table.Tr>
            ))}
        </Table.Tbody>
      </Table>
    </div>
  )
}

function Result(props: SimulateProps & { result: Schemas['SimulatedRun'] }) {
  const t = useWords(words)
  const { result, simulated } = props
  const moments = momentsOf(result)
  const asked = simulated!.asked
  const end = result.end ?? 'running'
  const save = () => {
    const test = testOf(t('testName', { end: t(`end_${end}`) }), props.file, asked, result)
    download(`${props.file.replace(/\.ya?ml$|\.json$/, '')}.test.yaml`, test)
  }
  const now = moments[props.at - 1]
  return (
    <>
      <Group gap="sm" justify="space-between">
        <Group gap="xs">
          <Mark tone={endTones[end] ?? 'idle'} text={t(`end_${end}`)} />
          <span className="dim num">{t('tookVirtual', { time: span(result.tookMs ?? 0) })}</span>
          {result.seed !== undefined && <span className="dim num">{t('withSeed', { seed: result.seed })}</span>}
          {props.old && <Mark tone="warn" text={t('oldResult')} help={t('oldResultHelp')} />}
        </Group>
        <Group gap="xs">
          <Button size="compact-xs" variant="default" onClick={save}>
            {t('saveTest')}
          </Button>
          <span className={classes['command']}>
            {t('asCommand')} <Copy text={commandOf(props.file, asked)} />
          </span>
        </Group>
      </Group>
      {!plain(asked) && (
        <Text size="xs" c="dimmed">
          {t('commandLacks')}
        </Text>
      )}
      {result.failure && (
        <Text size="sm" className={classes['failure']!}>
          {result.failure}
        </Text>
      )}
      {(result.left?.length ?? 0) > 0 && (
        <Text size="sm" className={classes['failure']!}>
          {t('leftBehind', { steps: result.left!.join(', ') })}
        </Text>
      )}
      {result.output !== undefined && result.output !== null && (
        <JsonLine label={t('output')} value={result.output} />
      )}
      <Player count={moments.length} at={props.at} onAt={props.onAt} label={t('simulation')} />
      <Bars result={result} atMs={now?.afterMs ?? 0} />
      <MomentList
        moments={moments}
        at={props.at}
        onAt={props.onAt}
        time={(each) => span(each.afterMs ?? 0)}
        say={(each) => sayMoment(t, each)}
      />
      {result.cut && (
        <Text size="xs" c="dimmed">
          {t('cut')}
        </Text>
      )}
    </>
  )
}

type Say = ReturnType<typeof useWords<keyof (typeof words)['en']>>
const eventWords = {
  began: 'ev_began',
  stepStarted: 'ev_stepStarted',
  stepDone: 'ev_stepDone',
  stepRefused: 'ev_stepRefused',
  attemptFailed: 'ev_attemptFailed',
  retriesUsedUp: 'ev_retriesUsedUp',
  commitDecided: 'ev_commitDecided',
  rollbackDecided: 'ev_rollbackDecided',
  undoStarted: 'ev_undoStarted',
  finished: 'ev_finished',
  refused: 'ev_refused',
  signal: 'ev_signal',
  ended: 'ev_ended',
} as const

function sayMoment(t: Say, moment: Moment): string {
  const word = eventWords[moment.event as keyof typeof eventWords]
  const said = word ? t(word) : moment.event
  const attempt = moment.attempt && moment.attempt > 1 ? ` (${t('attemptN', { n: moment.attempt })})` : ''
  return moment.text ? `${said}${attempt}: ${moment.text}` : said + attempt
}

function Summary(props: SimulateProps & { summary: Schemas['SimulationSummary'] }) {
  const t = useWords(words)
  const { summary } = props
  const again = (seed: number) => {
    const next = { ...props.simulated!.asked, random: true, seed, runs: 1 }
    props.onScenario(next)
    props.run(next)
  }
  return (
    <>
      <Group gap="xs">
        <Text fw={600}>{t('runsOf', { n: count(summary.runs ?? 0) })}</Text>
        {Object.entries(summary.ends ?? {}).map(([end, n]) => (
          <Mark
            key={end}
            tone={endTones[end] ?? 'idle'}
            text={`${t(`end_${end}` as 'end_done')} ${count(n)}`}
          />
        ))}
      </Group>
      <Text size="sm" c="dimmed" className="num">
        {t('summaryTimes', {
          median: span(summary.medianMs ?? 0),
          p99: span(summary.p99Ms ?? 0),
          slowest: span(summary.slowest?.tookMs ?? 0),
        })}
      </Text>
      <ul className={classes['picks']} aria-label={t('reasons')}>
        {(summary.failures ?? []).map((failure, i) => (
          <li key={i}>
            <button type="button" className={classes['pick']} onClick={() => again(failure.seed ?? 0)}>
              <span className="num">{count(failure.count ?? 0)}×</span>
              <span>{failure.text}</span>
              <span className="dim num">{t('withSeed', { seed: failure.seed ?? 0 })}</span>
            </button>
          </li>
        ))}
      </ul>
      {(summary.bad ?? []).length > 0 && (
        <Group gap={6}>
          <Text size="sm">{t('badSeeds', { n: summary.badCount ?? 0 })}</Text>
          {(summary.bad ?? []).map((seed) => (
            <Button key={seed} size="compact-xs" variant="default" onClick={() => again(seed)}>
              {seed}
            </Button>
          ))}
        </Group>
      )}
    </>
  )
}

function whole(text: string, least: number, most: number): number {
  return Math.min(most, Math.max(least, Math.round(Number(text)) || least))
}

function download(name: string, text: string): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([text], { type: 'application/yaml' }))
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 1000)
}
