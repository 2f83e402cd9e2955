import { Button, Group, Stack, Text, Title } from '@mantine/core'
import { Link } from 'react-router'
import { useWords } from '@/i18n'
import { kindText } from '@/saga/graph/describe.ts'
import { isSub, paintTone, type GraphStep } from '@/saga/graph'
import { words as graphWords } from '@/saga/graph/words.ts'
import { Facts } from '@/saga/Facts.tsx'
import { Json } from '@/saga/Json.tsx'
import { MayButton } from '@/shared/May.tsx'
import { Mark } from '@/shared/StatusBadge.tsx'
import { When } from '@/shared/When.tsx'
import { stateOf, type Run, type RunStep } from './paint.ts'
import classes from './runs.module.css'
import { words } from './words.ts'

export interface StepPanelProps {
  readonly run: Run
  readonly path: string | undefined
  readonly step: GraphStep | undefined
  readonly branches: readonly RunStep[]
  readonly onFold: (path: string) => void
  readonly onAct: (action: 'retry' | 'skip', step: RunStep) => void
}

const most = 20

/** StepPanel says all that is known of one step of a run, and what can be done with it. */
export function StepPanel({ run, path, step, branches, onFold, onAct }: StepPanelProps) {
  const t = useWords(words)
  const g = useWords(graphWords)
  if (!path || !step) return <Text c="dimmed">{t('pickStep')}</Text>
  return (
    <Stack gap="md">
      <div>
        <Title order={3}>{step.title || step.id}</Title>
        <Text size="sm" c="dimmed" className={classes['wrap']}>
          <span className="mono">{path}</span> · {kindText(step.kind)}
        </Text>
        {step.target && <p className={`mono ${classes['target']}`}>{step.target}</p>}
      </div>
      {isSub(step) && (
        <Group gap="sm">
          <Button size="xs" variant="default" onClick={() => onFold(path)}>
            {t('unfold')}
          </Button>
          {step.target && <Link to={`/sagas/${encodeURIComponent(step.target)}`}>{t('definition')}</Link>}
        </Group>
      )}
      {step.when && <Text size="sm">{g('whenIs', { condition: step.when })}</Text>}
      {step.forEach && <Text size="sm">{g('loopOf', { list: step.forEach })}</Text>}
      {branches.length === 0 && !isSub(step) && <Mark tone="idle" text={g('idle')} />}
      {branches.slice(0, most).map((branch) => (
        <Branch key={branch.branch} run={run} branch={branch} many={branches.length > 1} onAct={onAct} />
      ))}
      {branches.length > most && <Text c="dimmed">{t('itemsMore', { n: branches.length - most })}</Text>}
    </Stack>
  )
}

interface BranchProps {
  run: Run
  branch: RunStep
  many: boolean
  onAct: StepPanelProps['onAct']
}

function Branch({ run, branch, many, onAct }: BranchProps) {
  const t = useWords(words)
  const g = useWords(graphWords)
  const state = stateOf(branch)
  const undo = branch.undo
  return (
    <section className={classes['branch']} aria-label={branch.name}>
      <Group justify="space-between" gap="xs">
        {many && <span className="mono">{branch.name}</span>}
        <Group gap={6}>
          <Mark tone={paintTone(state)} text={g(state)} />
          {branch.byHand && <Mark tone="warn" text={t('byHand')} />}
        </Group>
      </Group>
      <Facts
        facts={[
          [t('attempts'), branch.attempts],
          [t('began'), <When key="b" at={branch.startedAt} />],
          [t('ended'), branch.endedAt && <When key="e" at={branch.endedAt} />],
          [t('next'), branch.nextAttemptAt && <When key="n" at={branch.nextAttemptAt} />],
          [t('until'), branch.until && <When key="u" at={branch.until} />],
          [t('code'), branch.code],
        ]}
      />
      {branch.failure && <p className={classes['failure']}>{branch.failure}</p>}
      {undo && (
        <div className={classes['undo']}>
          <Facts
            facts={[
              [t('undo'), g(stateOf(branch))],
              [t('attempts'), undo.attempts],
              [t('ended'), undo.endedAt && <When key="e" at={undo.endedAt} />],
              [t('next'), undo.nextAttemptAt && <When key="n" at={undo.nextAttemptAt} />],
            ]}
          />
          {undo.failure && <p className={classes['failure']}>{undo.failure}</p>}
        </div>
      )}
      {branch.answer !== undefined && (
        <div>
          <Text size="xs" c="dimmed" mb={2}>
            {t('answer')}
          </Text>
          <Json value={branch.answer} label={t('answer')} />
        </div>
      )}
      <Acts run={run} branch={branch} onAct={onAct} />
    </section>
  )
}

const undoing = new Set(['waiting', 'running', 'retrying', 'refused'])
const open = new Set(['pending', 'running', 'retrying', 'waiting', 'refused', 'unknown'])

function Acts({ run, branch, onAct }: Omit<BranchProps, 'many'>) {
  const t = useWords(words)
  const over = run.outcome !== 'running'
  const going = branch.undo ? undoing.has(branch.undo.state ?? '') : open.has(branch.state ?? '')
  if (over || !going) return null
  const why = (action: string) =>
    (run.actions as string[] | undefined)?.includes(action) ? undefined : t('notNow')
  return (
    <Group gap="xs">
      <MayButton
        size="xs"
        variant="default"
        role="operator"
        reason={why('retry')}
        onClick={() => onAct('retry', branch)}
      >
        {t('retry')}
      </MayButton>
      <MayButton
        size="xs"
        variant="default"
        role="resolver"
        reason={why('skip')}
        onClick={() => onAct('skip', branch)}
      >
        {t('skip')}
      </MayButton>
    </Group>
  )
}
