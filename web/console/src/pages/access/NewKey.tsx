import {
  Alert,
  Button,
  Checkbox,
  Code,
  Group,
  Modal,
  NativeSelect,
  NumberInput,
  Stack,
  TextInput,
} from '@mantine/core'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState, type FormEvent } from 'react'
import { api, ask, type Schemas } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { Copy } from '@/shared/Xid.tsx'
import classes from './access.module.css'
import { requestOf, roles, type Draft } from './draft.ts'
import { keysKey } from './Keys.tsx'
import { words } from './words.ts'

const empty: Draft = {
  name: '',
  roles: ['service'],
  applications: '',
  groups: '',
  days: '90',
  note: '',
  reason: '',
  requestsPerSecond: 0,
  beginsPerSecond: 0,
  liveMax: 0,
}

/** NewKey makes a key and shows its token this once. */
export function NewKey({ onClose }: { onClose: () => void }) {
  const t = useWords(words)
  const client = useQueryClient()
  const make = useMutation({
    mutationFn: (draft: Draft) => ask(api.POST('/api/v1/keys', { body: requestOf(draft, Date.now()) })),
    onSuccess: () => client.invalidateQueries({ queryKey: keysKey }),
  })
  const made = make.data
  return (
    <Modal
      opened
      onClose={onClose}
      size="lg"
      closeOnClickOutside={!made}
      transitionProps={{ duration: 0 }}
      title={made ? t('made', { name: made.name ?? '' }) : t('makeTitle')}
    >
      {made ? (
        <Token made={made} onClose={onClose} />
      ) : (
        <Form busy={make.isPending} error={make.error} onSubmit={(draft) => make.mutate(draft)} />
      )}
    </Modal>
  )
}

function Form(props: { busy: boolean; error: unknown; onSubmit: (draft: Draft) => void }) {
  const t = useWords(words)
  const [draft, setDraft] = useState(empty)
  const text = (field: 'name' | 'applications' | 'groups' | 'note' | 'reason', description?: string) => (
    <TextInput
      label={t(field)}
      description={description}
      value={draft[field]}
      required={field === 'name'}
      data-autofocus={field === 'name' || undefined}
      onChange={(event) => setDraft({ ...draft, [field]: event.currentTarget.value })}
    />
  )
  const number = (field: 'requestsPerSecond' | 'beginsPerSecond' | 'liveMax') => (
    <NumberInput
      label={t(field)}
      min={0}
      value={draft[field]}
      className={classes['third']!}
      onChange={(value) => setDraft({ ...draft, [field]: Number(value) || 0 })}
    />
  )
  const submit = (event: FormEvent) => {
    event.preventDefault()
    props.onSubmit(draft)
  }
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        {text('name', t('nameHelp'))}
        <Checkbox.Group
          label={t('rolesPick')}
          value={[...draft.roles]}
          onChange={(next) => setDraft({ ...draft, roles: next })}
        >
          <Stack gap={6} mt={4}>
            {roles.map((role) => (
              <Checkbox key={role} value={role} label={role} description={t(role)} />
            ))}
          </Stack>
        </Checkbox.Group>
        {text('applications', t('applicationsHelp'))}
        {text('groups', t('applicationsHelp'))}
        <NativeSelect
          label={t('expires')}
          value={draft.days}
          onChange={(event) => setDraft({ ...draft, days: event.currentTarget.value })}
          data={[
            ...['30', '90', '365'].map((n) => ({ value: n, label: t('days', { n }) })),
            { value: '', label: t('never') },
          ]}
        />
        <fieldset className={classes['limits']}>
          <legend>{t('limits')}</legend>
          {number('requestsPerSecond')}
          {number('beginsPerSecond')}
          {number('liveMax')}
        </fieldset>
        {text('note')}
        {text('reason')}
        {props.error != null && <ErrorBox error={props.error} />}
        <Group justify="flex-end">
          <Button type="submit" loading={props.busy} disabled={draft.roles.length === 0}>
            {t('create')}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

function Token({ made, onClose }: { made: Schemas['NewKey']; onClose: () => void }) {
  const t = useWords(words)
  const token = made.token ?? ''
  return (
    <Stack gap="sm">
      <Alert variant="outline" title={t('madeHelp')} />
      <Group gap="xs" wrap="nowrap">
        <Code block className={classes['token']!}>
          {token}
        </Code>
        <Copy text={token} />
      </Group>
      <div>
        <span className="dim">{t('usage')}</span>
        <Code block>{`Authorization: Bearer ${token.slice(0, 12)}…`}</Code>
      </div>
      <Group justify="flex-end">
        <Button onClick={onClose}>{t('done')}</Button>
      </Group>
    </Stack>
  )
}
