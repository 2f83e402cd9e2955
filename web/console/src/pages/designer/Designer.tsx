import { Button, SegmentedControl, Tabs, Text, VisuallyHidden } from '@mantine/core'
import { useCallback, useEffect, useMemo, useState } from 'react'
import { useSearchParams } from 'react-router'
import { useWords } from '@/i18n'
import { stepsOf } from '@/saga/graph/model.ts'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { Icon } from '@/shared/Icon.tsx'
import { MayButton } from '@/shared/May.tsx'
import { Page } from '@/shared/Page.tsx'
import { Mark } from '@/shared/StatusBadge.tsx'
import { useMay } from '@/api/session.ts'
import { Canvas } from './Canvas.tsx'
import classes from './Designer.module.css'
import { Desk, useDesk } from './desk.ts'
import { ConflictDialog, ConvertDialog, LeaveDialog, PublishDialog } from './Dialogs.tsx'
import { setup } from './editorSetup.ts'
import { ExploredPane } from './ExploredPane.tsx'
import { countsOf, misnamed, paintFindings, placed, unreadable, type Finding } from './findings.ts'
import { FindingsPane } from './FindingsPane.tsx'
import {
  useCounterExample,
  useDiagnostics,
  useFormat,
  useHistoryKeys,
  useLeaving,
  useReview,
  useSimulation,
} from './hooks.ts'
import { Inspector, SagaForm } from './Inspector.tsx'
import { Palette } from './Palette.tsx'
import { SaveMark } from './SaveMark.tsx'
import { useSaving } from './saving.ts'
import { withWish, type Wish } from './scenario.ts'
import type { Draft } from './server.ts'
import { SimulatePane } from './SimulatePane.tsx'
import { asMap, type Format } from './source.ts'
import { idsOf } from './steps.ts'
import { TextPane } from './TextPane.tsx'
import { useActs } from './useActs.ts'
import { words } from './words.ts'

export interface DesignerProps {
  readonly name: string
  readonly text: string
  readonly draft: Draft | undefined
  /** The text that needs no saving, because it is that of a version. */
  readonly base: string | undefined
  /** Said above the canvas, such as what the text was opened from. */
  readonly banner?: string | undefined
}

type Dock = 'findings' | 'explored' | 'simulate'
type Side = 'text' | 'step' | 'saga'

/** Designer edits one definition by canvas, text and forms at once. */
export function Designer({ name, text, draft, base, banner }: DesignerProps) {
  const t = useWords(words)
  const may = useMay('operator')
  const [desk] = useState(() => new Desk(text, !may, setup(text, t('textOf', { name }))))
  const shown = useDesk(desk)
  const { source, sound } = shown
  const saving = useSaving({ name, desk, draft, base, may })
  const [params, setParams] = useSearchParams()
  const set = useCallback(
    (key: string, value: string | undefined) =>
      setParams(
        (was) => {
          const next = new URLSearchParams(was)
          if (value === undefined) next.delete(key)
          else next.set(key, value)
          return next
        },
        { replace: true },
      ),
    [setParams],
  )
  const side = (params.get('side') ?? 'text') as Side
  const dock = (params.get('dock') ?? 'findings') as Dock
  const ids = useMemo(() => idsOf(sound.value), [sound])
  const selected = ids.includes(params.get('step') ?? '') ? params.get('step')! : undefined
  const select = useCallback((id: string | undefined) => set('step', id), [set])
  const { acts, said } = useActs(desk, select, selected)
  const reviewed = useReview(source.problems.length === 0 ? source.text : undefined)
  const found = reviewed.data
  const broken = source.problems.length > 0
  // What came of another text says nothing about one that cannot be read.
  const explored = broken ? undefined : found?.explored
  const odd = t('misnamed', { name })
  const oddHelp = t('misnamedHelp')
  const findings = useMemo(() => {
    if (source.problems.length > 0) return unreadable(source)
    const placedOnes = placed(source, (reviewed.of === source.text ? found?.findings : undefined) ?? [])
    return [...misnamed(source, name, odd, oddHelp), ...placedOnes]
  }, [source, found, reviewed.of, name, odd, oddHelp])
  const checked = source.problems.length > 0 || reviewed.of === source.text
  useDiagnostics(desk, findings)
  const steps = useMemo(() => stepsOf(sound.value), [sound])
  const counter = useCounterExample(explored, steps, dock === 'explored')
  const sim = useSimulation(desk, shown.revision, steps, dock === 'simulate')
  const paint = useMemo(
    () => paintFindings(sound, findings, counter.paints ?? sim.paints ?? {}),
    [sound, findings, counter.paints, sim.paints],
  )
  useEffect(() => desk.mark(selected, true), [desk, selected, shown.revision])
  useEffect(() => {
    desk.onStep = (id) => id !== undefined && select(id)
    return () => (desk.onStep = undefined)
  }, [desk, select])
  useHistoryKeys(desk)
  const leave = useLeaving(saving.dirty, saving.flush)
  const [dialog, setDialog] = useState<'publish' | 'conflict' | 'convert'>()
  const format = useFormat(desk, source.format, source.hasComments, () => setDialog('convert'))
  const jump = (finding: Finding) => {
    setDialog(undefined)
    set('side', 'text')
    requestAnimationFrame(() => desk.goTo(finding.from, finding.to))
  }
  const [naming, setNaming] = useState<string>()
  const open = (id: string) => {
    setParams(
      (was) => {
        const next = new URLSearchParams(was)
        next.set('step', id)
        next.set('side', 'step')
        return next
      },
      { replace: true },
    )
    setNaming(id)
  }
  const counts = countsOf(findings)
  const wished =
    dock === 'simulate'
      ? {
          scenario: sim.scenario,
          onWish: (step: string, wish: Wish | undefined) => sim.setScenario(withWish(sim.scenario, step, wish)),
        }
      : undefined
  return (
    <Page
      title={String(asMap(sound.value)?.['title'] ?? name)}
      trail={[{ text: t('designer'), to: '/designer' }]}
      mark={
        <>
          {asMap(sound.value)?.['title'] !== undefined && <span className={classes['sagaName']}>{name}</span>}
          <SaveMark saving={saving} onConflict={() => setDialog('conflict')} />
        </>
      }
      actions={
        <>
          <IconButton
            text={t('undo')}
            keys="Ctrl Z"
            icon="M6 3L2.5 6.5 6 10M3 6.5h6a4 4 0 0 1 0 8H6"
            off={!may || shown.undo === 0}
            act={desk.undo}
          />
          <IconButton
            text={t('redo')}
            keys="Ctrl Shift Z"
            icon="M10 3l3.5 3.5L10 10M13 6.5H7a4 4 0 0 0 0 8h3"
            off={!may || shown.redo === 0}
            act={desk.redo}
          />
          <SegmentedControl
            size="xs"
            value={source.format}
            disabled={!may || source.problems.length > 0}
            aria-label={t('format')}
            data={[
              { value: 'yaml', label: 'YAML' },
              { value: 'json', label: 'JSON' },
            ]}
            onChange={(to) => format.ask(to as Format)}
          />
          <MayButton
            role="operator"
            size="xs"
            onClick={() => setDialog('publish')}
            reason={
              source.problems.length > 0
                ? t('notReadable')
                : saving.state.kind === 'conflict'
                  ? t('conflictFirst')
                  : undefined
            }
          >
            {t('publish')}
          </MayButton>
        </>
      }
    >
      <VisuallyHidden role="status" aria-live="polite">
        {said}
      </VisuallyHidden>
      {banner && <p className={classes['banner']}>{banner}</p>}
      <div className={classes['desk']} data-dock={dock}>
        <section className={`card ${classes['graphPart']}`} aria-label={t('canvas')}>
          <Palette
            disabled={!may}
            behind={selected}
            onInsert={(kind) => acts.insert(kind, { after: selected })}
          />
          {broken && (
            <p className={classes['outdated']} role="status">
              <Icon path="M8 2.5l6 11H2zM8 7v3M8 12v.2" size={14} />
              {t('outdated')}
            </p>
          )}
          <Canvas
            source={sound}
            steps={steps}
            paint={paint}
            painted={!!counter.paints || !!sim.paints}
            selected={selected}
            onSelect={select}
            onOpen={open}
            acts={acts}
            readOnly={!may}
            wishes={wished}
          />
        </section>
        <Tabs
          className={`card ${classes['side']}`}
          value={side}
          onChange={(to) => set('side', to === 'text' ? undefined : (to ?? undefined))}
          keepMounted={false}
        >
          <Tabs.List aria-label={t('sideTabs')}>
            <Tabs.Tab value="text">{t('text')}</Tabs.Tab>
            <Tabs.Tab value="step">{selected ? t('stepNamed', { id: selected }) : t('step')}</Tabs.Tab>
            <Tabs.Tab value="saga">{t('saga')}</Tabs.Tab>
          </Tabs.List>
          <Tabs.Panel value="text" className={classes['textPanel']!}>
            <TextPane desk={desk} />
          </Tabs.Panel>
          <Tabs.Panel value="step" className={classes['formPanel']!} tabIndex={-1}>
            {source.problems.length > 0 ? (
              <p className={classes['none']}>{t('notReadable')}</p>
            ) : selected ? (
              <Inspector
                key={selected}
                source={source}
                id={selected}
                acts={acts}
                readOnly={!may}
                naming={naming === selected}
                onNamed={() => setNaming(undefined)}
              />
            ) : (
              <p className={classes['none']}>{t('selectStep')}</p>
            )}
          </Tabs.Panel>
          <Tabs.Panel value="saga" className={classes['formPanel']!} tabIndex={-1}>
            {source.problems.length > 0 ? (
              <p className={classes['none']}>{t('notReadable')}</p>
            ) : (
              <SagaForm source={source} acts={acts} readOnly={!may} />
            )}
          </Tabs.Panel>
        </Tabs>
        <Tabs
          className={`card ${classes['dock']}`}
          value={dock}
          onChange={(to) => set('dock', to === 'findings' ? undefined : (to ?? undefined))}
          keepMounted={false}
        >
          <Tabs.List aria-label={t('dockTabs')}>
            <Tabs.Tab value="findings" rightSection={<Counts counts={counts} checked={checked} />}>
              {t('findings')}
            </Tabs.Tab>
            <Tabs.Tab value="explored" rightSection={<ExploredCount n={explored?.failures?.length} />}>
              {t('exploration')}
            </Tabs.Tab>
            <Tabs.Tab value="simulate">{t('simulation')}</Tabs.Tab>
            {reviewed.pending && (
              <Text size="xs" c="dimmed" className={classes['checking']!}>
                {t('checking')}
              </Text>
            )}
          </Tabs.List>
          <Tabs.Panel value="findings" className={classes['dockPanel']!}>
            {reviewed.error ? <ErrorBox error={reviewed.error} retry={reviewed.retry} /> : null}
            <FindingsPane
              findings={findings}
              checked={checked}
              bad={found?.explored?.failures?.length}
              onJump={jump}
            />
          </Tabs.Panel>
          <Tabs.Panel value="explored" className={classes['dockPanel']!}>
            <ExploredPane
              explored={explored}
              broken={broken}
              checking={!checked}
              chosen={counter.chosen}
              onChoose={counter.choose}
              moments={counter.moments}
              at={counter.at}
              onAt={counter.setAt}
            />
          </Tabs.Panel>
          <Tabs.Panel value="simulate" className={classes['dockPanel']!}>
            <SimulatePane
              steps={steps}
              file={`${name}.${source.format === 'json' ? 'json' : 'yaml'}`}
              scenario={sim.scenario}
              onScenario={sim.setScenario}
              run={sim.run}
              running={sim.running}
              error={sim.error}
              simulated={sim.simulated}
              old={sim.old}
              at={sim.at}
              onAt={sim.setAt}
            />
          </Tabs.Panel>
        </Tabs>
      </div>
      {dialog === 'publish' && (
        <PublishDialog
          name={name}
          text={source.text}
          saving={saving}
          findings={findings}
          checked={checked}
          explored={found?.explored}
          onClose={() => setDialog(undefined)}
          onJump={jump}
        />
      )}
      {dialog === 'conflict' && (
        <ConflictDialog saving={saving} mine={source.text} onClose={() => setDialog(undefined)} />
      )}
      {dialog === 'convert' && (
        <ConvertDialog
          onNo={() => setDialog(undefined)}
          onYes={() => {
            setDialog(undefined)
            format.convert('json')
          }}
        />
      )}
      {leave && <LeaveDialog onStay={leave.stay} onLeave={leave.go} />}
    </Page>
  )
}

function IconButton({
  text,
  keys,
  icon,
  off,
  act,
}: {
  text: string
  keys: string
  icon: string
  off: boolean
  act: () => unknown
}) {
  return (
    <Button
      size="xs"
      variant="default"
      px={8}
      aria-label={text}
      title={`${text} (${keys})`}
      disabled={off}
      onClick={act}
    >
      <Icon path={icon} size={14} />
    </Button>
  )
}

function Counts({ counts, checked }: { counts: ReturnType<typeof countsOf>; checked: boolean }) {
  const t = useWords(words)
  if (counts.error > 0) return <Mark tone="bad" text={String(counts.error)} />
  if (counts.warning + counts.hint > 0) return <Mark tone="warn" text={String(counts.warning + counts.hint)} />
  return checked ? <Mark tone="good" text={t('none')} /> : null
}

function ExploredCount({ n }: { n: number | undefined }) {
  return n === undefined ? null : <Mark tone={n > 0 ? 'bad' : 'good'} text={String(n)} />
}
