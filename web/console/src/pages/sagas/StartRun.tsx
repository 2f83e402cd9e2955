import { Button, Group, Modal, NativeSelect, Stack, Text, TextInput } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useMemo, useRef, useState, type FormEvent } from 'react'
import { Link } from 'react-router'
import { api, ask, idempotencyKey, Refused, type Schemas } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { SchemaForm, useData } from '@/saga/form/SchemaForm.tsx'
import { readDefinition } from '@/saga/text.ts'
import { loadVersion, versionKey } from '@/saga/useSubs.ts'
import { useVersionNumbers } from '@/saga/useVersions.ts'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { Loading } from '@/shared/Loading.tsx'
import { MayButton } from '@/shared/May.tsx'
import { numberOf } from '@/shared/Xid.tsx'
import classes from './sagas.module.css'
import { words } from './words.ts'

export interface StartRunProps {
  readonly saga: string
  /** Absent: the newest. */
  readonly version?: number | undefined
  readonly onClose: () => void
}

/** StartRun asks for the input of a run by the schema of its definition, and begins it. */
export default function StartRun({ saga, version: first, onClose }: StartRunProps) {
  const t = useWords(words)
  const [version, setVersion] = useState(first)
  const numbers = useVersionNumbers(saga)
  const shown = useQuery({
    queryKey: versionKey(saga, version),
    queryFn: ({ signal }) => loadVersion(saga, version, signal),
    staleTime: version ? Infinity : 2000,
  })
  return (
    <Modal
      opened
      onClose={onClose}
      size={620}
      title={t('startTitle', { saga })}
      closeButtonProps={{ 'aria-label': t('close') }}
    >
      {shown.error && <ErrorBox error={shown.error} retry={() => void shown.refetch()} />}
      {shown.isPending && <Loading rows={5} />}
      <NativeSelect
        label={t('whichVersion')}
        value={String(version ?? '')}
        mb="md"
        onChange={(event) => setVersion(Number(event.currentTarget.value) || undefined)}
        data={[{ value: '', label: t('theNewest', { version: numbers[0] ?? '' }) }, ...numbers.map(String)]}
      />
      {shown.data && (
        <Form key={shown.data.version} shown={shown.data} newest={version === undefined} onClose={onClose} />
      )}
    </Modal>
  )
}

function Form({
  shown,
  newest,
  onClose,
}: {
  shown: Schemas['SagaVersion']
  newest: boolean
  onClose: () => void
}) {
  const t = useWords(words)
  const schema = useMemo(() => readDefinition(shown.text)?.['input'], [shown.text])
  const state = useData(schema)
  const [given, setGiven] = useState({ key: '', application: '', timeout: '' })
  const start = useStart()
  const numbers = { saga: shown.name ?? '', version: newest ? undefined : shown.version }
  const submit = (event: FormEvent) => {
    event.preventDefault()
    const read = state.read()
    if (!read) return
    start.mutate(
      { ...numbers, ...given, input: read.value },
      { onError: (error) => error instanceof Refused && state.complain(error.body['findings']) },
    )
  }
  if (start.data) return <Begun begun={start.data} onAgain={start.reset} onClose={onClose} />
  const enter = (name: keyof typeof given) => (event: { currentTarget: { value: string } }) => {
    const value = event.currentTarget.value
    setGiven((was) => ({ ...was, [name]: value }))
  }
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <Text c="dimmed">{t('startText')}</Text>
        <SchemaForm state={state} label={t('input')} />
        <TextInput
          label={t('key')}
          description={t('keyHelp')}
          value={given.key}
          maxLength={200}
          onChange={enter('key')}
        />
        <Group grow align="flex-start">
          <TextInput label={t('application')} value={given.application} onChange={enter('application')} />
          <TextInput
            label={t('timeout')}
            description={t('timeoutHelp')}
            value={given.timeout}
            onChange={enter('timeout')}
            inputWrapperOrder={['label', 'input', 'description', 'error']}
          />
        </Group>
        {start.error && <ErrorBox error={start.error} />}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose}>
            {t('close')}
          </Button>
          <MayButton role="service" loading={start.isPending} type="submit">
            {t('begin')}
          </MayButton>
        </Group>
      </Stack>
    </form>
  )
}

interface Started {
  readonly run: Schemas['SagaStarted']
  readonly fresh: boolean
}

interface Wanted {
  saga: string
  version: number | undefined
  key: string
  application: string
  timeout: string
  input: unknown
}

/** useStart begins a run. What is sent again after no answer has the same key, so that it is begun once. */
function useStart() {
  const client = useQueryClient()
  const key = useRef({ body: '', key: '' })
  return useMutation({
    mutationFn: async (wanted: Wanted): Promise<Started> => {
      const { saga, version, input } = wanted
      const body = {
        saga,
        ...(version ? { version } : {}),
        ...(wanted.key.trim() ? { key: wanted.key.trim() } : {}),
        ...(wanted.application.trim() ? { application: wanted.application.trim() } : {}),
        ...(wanted.timeout.trim() ? { timeout: wanted.timeout.trim() } : {}),
        ...(input === undefined ? {} : { input }),
      }
      const written = JSON.stringify(body)
      if (key.current.body !== written) key.current = { body: written, key: idempotencyKey() }
      const request = api.POST('/api/v1/sagas/runs', {
        params: { header: { 'Idempotency-Key': key.current.key } },
        body: body as Schemas['SagaStart'],
      })
      const run = await ask(request)
      const fresh = (await request).response.status === 201
      key.current = { body: '', key: '' }
      return { run, fresh }
    },
    onSuccess: () => client.invalidateQueries({ queryKey: ['runs'] }),
  })
}

function Begun({ begun, onAgain, onClose }: { begun: Started; onAgain: () => void; onClose: () => void }) {
  const t = useWords(words)
  const id = numberOf(begun.run.xid ?? '')
  return (
    <Stack gap="md">
      <div role="status" className={classes['notice']} data-tone={begun.fresh ? 'good' : 'warn'}>
        {t(begun.fresh ? 'begun' : 'there')}
        <div className="mono">{begun.run.xid}</div>
      </div>
      <Group justify="flex-end" gap="xs">
        <Button variant="default" onClick={onAgain}>
          {t('again')}
        </Button>
        <Button component={Link} to={`/runs/${id}`} onClick={onClose} data-autofocus>
          {t('open', { id })}
        </Button>
      </Group>
    </Stack>
  )
}
