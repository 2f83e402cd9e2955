import { Group, Stack, Text } from '@mantine/core'
import { useMemo, type ReactNode } from 'react'
import type { Schemas } from '@/api/client.ts'
import { useMe } from '@/api/session.ts'
import { useWords } from '@/i18n'
import { Facts } from '@/saga/Facts.tsx'
import { SchemaForm, useData } from '@/saga/form/SchemaForm.tsx'
import { Json } from '@/saga/Json.tsx'
import { readDefinition, signalSchema } from '@/saga/text.ts'
import type { Action } from '@/shared/actions/model.ts'
import { mayAnswer, signalAction, waitAction, type Waiting } from '@/shared/actions/waits.ts'
import { Icon } from '@/shared/Icon.tsx'
import { MayButton } from '@/shared/May.tsx'
import { Section } from '@/shared/Page.tsx'
import { When } from '@/shared/When.tsx'
import { iconOf } from '@/saga/graph'
import type { Run } from './paint.ts'
import classes from './runs.module.css'
import { words } from './words.ts'

type Wait = Schemas['SagaWait']

interface WaitsProps {
  readonly run: Run
  /** The text of the definition, which has the forms of signals. */
  readonly text: string | undefined
  readonly onAct: (action: Action) => void
}

type OneProps = WaitsProps & { readonly wait: Wait }

function askedOf(run: Run, wait: Wait): Waiting {
  return { ...wait, xid: run.xid ?? '', saga: run.saga ?? '' }
}

/** Waits has what a run waits for, each with the way to answer it. */
export function Waits({ run, text, onAct }: WaitsProps) {
  const t = useWords(words)
  if (!run.waits?.length) return null
  return (
    <Section title={t('waits')} flush>
      {run.waits.map((wait) => (
        <One key={`${wait.step} ${wait.kind}`} run={run} wait={wait} text={text} onAct={onAct} />
      ))}
    </Section>
  )
}

function One(props: OneProps) {
  const { wait } = props
  if (wait.kind === 'signal') return <SignalWait {...props} />
  if (wait.kind === 'approval') return <ApprovalWait {...props} />
  return <Frame wait={wait}>{null}</Frame>
}

function Frame({ wait, children }: { wait: Wait; children: ReactNode }) {
  const t = useWords(words)
  const what = wait.kind === 'signal' ? 'waitSignal' : wait.kind === 'approval' ? 'waitApproval' : 'waitTimer'
  return (
    <div className={classes['wait']}>
      <Group gap={8} wrap="nowrap" align="flex-start">
        <span className={classes['waitIcon']}>
          <Icon path={iconOf(wait.kind ?? '')} />
        </span>
        <div className={classes['grow']}>
          <Text fw={600}>
            <span className="mono">{wait.step}</span> {t(what, { name: wait.name ?? '' })}
          </Text>
          {wait.until && (
            <Text size="sm" c="dimmed">
              {t('until')} <When at={wait.until} both />
            </Text>
          )}
          {children}
        </div>
      </Group>
    </div>
  )
}

function SignalWait({ run, wait, text, onAct }: OneProps) {
  const t = useWords(words)
  const id = (wait.step ?? '').replace(/\[\d+\]|#\d+/g, '')
  const schema = useMemo(() => signalSchema(readDefinition(text), id), [text, id])
  const state = useData(schema)
  const send = () => {
    const read = state.read()
    if (read) onAct(signalAction(askedOf(run, wait), read.value, state.complain))
  }
  return (
    <Frame wait={wait}>
      <Stack gap="sm" mt="sm" maw={520}>
        <SchemaForm state={state} label={t('signalData')} />
        <Group>
          <MayButton role="service" onClick={send}>
            {t('sendSignal')}
          </MayButton>
        </Group>
      </Stack>
    </Frame>
  )
}

function ApprovalWait({ run, wait, onAct }: OneProps) {
  const t = useWords(words)
  const me = useMe()
  const who = wait.by?.join(', ') || t('anyOperator')
  const why = mayAnswer(me.data, wait.by) ? undefined : t('othersAnswer', { who })
  return (
    <Frame wait={wait}>
      <Stack gap="sm" mt={4} maw={640}>
        <Text className={classes['prompt']}>{wait.prompt}</Text>
        <Facts facts={[[t('mayAnswer'), who]]} />
        {wait.data !== undefined && <Json value={wait.data} label={t('shown')} />}
        <Group gap="xs">
          <MayButton role="member" reason={why} onClick={() => onAct(waitAction(askedOf(run, wait), true))}>
            {t('approve')}
          </MayButton>
          <MayButton
            role="member"
            reason={why}
            variant="default"
            onClick={() => onAct(waitAction(askedOf(run, wait), false))}
          >
            {t('reject')}
          </MayButton>
          <Text size="xs" c="dimmed">
            {t('rejectText')}
          </Text>
        </Group>
      </Stack>
    </Frame>
  )
}
