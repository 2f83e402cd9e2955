import { Group, Stack, Text, TextInput } from '@mantine/core'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useMemo, useState, type ReactNode } from 'react'
import { api, ask, idempotencyKey, Refused, type Schemas } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { Facts } from '@/saga/Facts.tsx'
import { SchemaForm, useData } from '@/saga/form/SchemaForm.tsx'
import { Json } from '@/saga/Json.tsx'
import { readDefinition, signalSchema } from '@/saga/text.ts'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { Icon } from '@/shared/Icon.tsx'
import { MayButton } from '@/shared/May.tsx'
import { Section } from '@/shared/Page.tsx'
import { When } from '@/shared/When.tsx'
import { iconOf } from '@/saga/graph'
import type { Run } from './paint.ts'
import classes from './runs.module.css'
import { words } from './words.ts'

type Wait = Schemas['SagaWait']

/** Waits has what a run waits for, each with the way to answer it. */
export function Waits({ run, text }: { run: Run; text: string | undefined }) {
  const t = useWords(words)
  if (!run.waits?.length) return null
  return (
    <Section title={t('waits')} flush>
      {run.waits.map((wait) => (
        <One key={`${wait.step} ${wait.kind}`} run={run} wait={wait} text={text} />
      ))}
    </Section>
  )
}

function One({ run, wait, text }: { run: Run; wait: Wait; text: string | undefined }) {
  if (wait.kind === 'signal') return <SignalWait run={run} wait={wait} text={text} />
  if (wait.kind === 'approval') return <ApprovalWait run={run} wait={wait} />
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

/** useAnswer sends an answer, and has the run looked at again. */
function useAnswer<Body>(run: Run, send: (body: Body) => Promise<unknown>) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: send,
    onSuccess: () => client.invalidateQueries({ queryKey: ['run'] }),
    mutationKey: ['answer', run.xid],
  })
}

function SignalWait({ run, wait, text }: { run: Run; wait: Wait; text: string | undefined }) {
  const t = useWords(words)
  const id = (wait.step ?? '').replace(/\[\d+\]|#\d+/g, '')
  const schema = useMemo(() => signalSchema(readDefinition(text), id), [text, id])
  const state = useData(schema)
  const answer = useAnswer(run, (data: unknown) =>
    ask(
      api.POST('/api/v1/sagas/runs/{xid}/signals/{signal}', {
        params: {
          path: { xid: run.xid!, signal: wait.name! },
          header: { 'Idempotency-Key': idempotencyKey() },
        },
        body: { step: wait.step!, ...(data === undefined ? {} : { data }) } as Schemas['SagaSignal'],
      }),
    ),
  )
  const send = () => {
    const read = state.read()
    if (!read) return
    answer.mutate(read.value, {
      onError: (error) => error instanceof Refused && state.complain(error.body['findings']),
    })
  }
  return (
    <Frame wait={wait}>
      <Stack gap="sm" mt="sm" maw={520}>
        <SchemaForm state={state} label={t('signalData')} />
        <Group>
          <MayButton role="service" loading={answer.isPending} onClick={send}>
            {t('sendSignal')}
          </MayButton>
        </Group>
        {answer.error && <ErrorBox error={answer.error} />}
      </Stack>
    </Frame>
  )
}

function ApprovalWait({ run, wait }: { run: Run; wait: Wait }) {
  const t = useWords(words)
  const [comment, setComment] = useState('')
  const answer = useAnswer(run, (approve: boolean) =>
    ask(
      api.POST('/api/v1/sagas/runs/{xid}/approvals/{step}', {
        params: { path: { xid: run.xid!, step: wait.step! }, header: { 'Idempotency-Key': idempotencyKey() } },
        body: { approve, ...(comment.trim() ? { comment: comment.trim() } : {}) } as Schemas['SagaAnswer'],
      }),
    ),
  )
  return (
    <Frame wait={wait}>
      <Stack gap="sm" mt={4} maw={640}>
        <Text className={classes['prompt']}>{wait.prompt}</Text>
        <Facts facts={[[t('mayAnswer'), wait.by?.length ? wait.by.join(', ') : t('anyOperator')]]} />
        {wait.data !== undefined && <Json value={wait.data} label={t('shown')} />}
        <TextInput
          label={t('comment')}
          value={comment}
          onChange={(event) => setComment(event.currentTarget.value)}
        />
        <Group gap="xs">
          <MayButton
            role="member"
            loading={answer.isPending && answer.variables}
            onClick={() => answer.mutate(true)}
          >
            {t('approve')}
          </MayButton>
          <MayButton
            role="member"
            variant="default"
            loading={answer.isPending && !answer.variables}
            onClick={() => answer.mutate(false)}
          >
            {t('reject')}
          </MayButton>
          <Text size="xs" c="dimmed">
            {t('rejectText')}
          </Text>
        </Group>
        {answer.error && <ErrorBox error={answer.error} />}
      </Stack>
    </Frame>
  )
}
