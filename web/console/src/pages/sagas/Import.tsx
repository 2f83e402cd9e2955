import { Button, FileButton, Group, Modal, Stack, Text, Textarea, TextInput } from '@mantine/core'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { Link } from 'react-router'
import { api, ask, idempotencyKey, Refused, type Schemas } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { SagaGraph, stepsOf } from '@/saga/graph'
import { readDefinition } from '@/saga/text.ts'
import { graphSteps } from '@/saga/useSubs.ts'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { MayButton } from '@/shared/May.tsx'
import { Mark } from '@/shared/StatusBadge.tsx'
import { BindingsForm } from './BindingsForm.tsx'
import { review } from './Explored.tsx'
import { Findings } from './Findings.tsx'
import { bindingsOf, bindingsText, languageOf, nameOf, sourceOf, textWith, type Bindings } from './importing.ts'
import classes from './sagas.module.css'
import { words } from './words.ts'

/** Import takes a definition from a file or from what is pasted, checks it, binds its services, and publishes it or
 * keeps it as a draft. */
export default function Import({ onClose }: { onClose: () => void }) {
  const t = useWords(words)
  const [text, setText] = useState('')
  const [bindings, setBindings] = useState<Bindings>({})
  const [raw, setRaw] = useState<string>()
  const [note, setNote] = useState('')
  const source = sourceOf(text)
  const language = languageOf(text)
  const whole = language === 'seata' ? textWith(source.machine, raw ?? bindingsText(bindings)) : text
  const check = useMutation({ mutationFn: (body: string) => review(body) })
  const send = useSend()
  const checked = check.data && check.variables === whole ? check.data : undefined
  const take = (next: string) => {
    setText(next)
    check.reset()
    send.reset()
    const there = sourceOf(next).bindings
    const read = bindingsOf(there)
    setRaw(read ? undefined : there)
    setBindings(read ?? {})
  }
  return (
    <Modal
      opened
      onClose={onClose}
      size={980}
      title={t('importTitle')}
      closeButtonProps={{ 'aria-label': t('close') }}
    >
      {send.data ? (
        <Sent sent={send.data} onClose={onClose} />
      ) : (
        <Stack gap="md">
          <Text c="dimmed">{t('importText')}</Text>
          <Take text={text} onText={take} />
          {check.error && <ErrorBox error={check.error} />}
          {check.data && <Understood found={check.data} text={text} />}
          {language === 'seata' && check.data?.services?.length ? (
            <BindingsForm
              services={check.data.services}
              bindings={bindings}
              onBindings={setBindings}
              raw={raw}
              onRaw={setRaw}
            />
          ) : null}
          {check.data && (
            <div className={classes['found']} data-old={!checked || undefined}>
              <Findings findings={check.data.findings} />
            </div>
          )}
          <TextInput
            label={t('noteLabel')}
            description={t('noteHelp')}
            value={note}
            maxLength={1024}
            onChange={(event) => setNote(event.currentTarget.value)}
          />
          {send.error && <Failed error={send.error} name={nameOf(text)} />}
          <Buttons
            checked={checked}
            seata={language === 'seata'}
            name={nameOf(text)}
            busy={send.isPending}
            checking={check.isPending}
            empty={text.trim() === ''}
            onCheck={() => check.mutate(whole)}
            onSend={(draft) => send.mutate({ text: whole, note, draft: draft ? nameOf(text) : undefined })}
          />
        </Stack>
      )}
    </Modal>
  )
}

function Take({ text, onText }: { text: string; onText: (text: string) => void }) {
  const t = useWords(words)
  return (
    <>
      <Group>
        <FileButton
          accept=".json,.yaml,.yml,application/json"
          onChange={(file) => void file?.text().then(onText)}
        >
          {(props) => (
            <Button variant="default" {...props}>
              {t('file')}
            </Button>
          )}
        </FileButton>
      </Group>
      <Textarea
        label={t('paste')}
        value={text}
        autosize
        minRows={5}
        maxRows={12}
        spellCheck={false}
        classNames={{ input: 'mono' }}
        onChange={(event) => onText(event.currentTarget.value)}
      />
    </>
  )
}

function Understood({ found, text }: { found: Schemas['SagaReview']; text: string }) {
  const t = useWords(words)
  const steps = found.steps ? graphSteps(found) : stepsOf(readDefinition(text))
  const language = found.language === 'seata' ? t('seata') : t('concord')
  return (
    <section aria-label={t('preview')}>
      <Group gap="xs" mb="xs">
        <Text fw={600}>{found.name}</Text>
        <Mark tone="idle" text={t('recognised', { language })} />
        <Mark tone={found.sound ? 'good' : 'bad'} text={t(found.sound ? 'sound' : 'unsound')} />
      </Group>
      {steps.length > 0 && (
        <div className={classes['preview']}>
          <SagaGraph steps={steps} height="300px" label={t('graphOf', { saga: found.name ?? '' })} />
        </div>
      )}
    </section>
  )
}

interface ButtonsProps {
  checked: Schemas['SagaReview'] | undefined
  seata: boolean
  name: string
  busy: boolean
  checking: boolean
  empty: boolean
  onCheck: () => void
  onSend: (draft: boolean) => void
}

function Buttons({ checked, seata, name, busy, checking, empty, onCheck, onSend }: ButtonsProps) {
  const t = useWords(words)
  const whyNot = !checked ? t('checkedFirst') : checked.sound ? undefined : t('notSound')
  const noDraft = seata ? t('draftSeata') : name === '' ? t('noName') : undefined
  return (
    <Group justify="flex-end" gap="xs">
      <Button
        variant={checked?.sound ? 'default' : 'filled'}
        loading={checking}
        disabled={empty}
        onClick={onCheck}
      >
        {t('check')}
      </Button>
      <MayButton role="operator" variant="default" reason={noDraft} onClick={() => onSend(true)}>
        {t('saveDraft')}
      </MayButton>
      <MayButton role="operator" reason={whyNot} loading={busy} onClick={() => onSend(false)}>
        {t('publish')}
      </MayButton>
    </Group>
  )
}

interface Sending {
  text: string
  note: string
  /** The name of the draft, if it is to be one. */
  draft: string | undefined
}

type SentAs =
  | { readonly kind: 'draft'; readonly saga: string }
  | { readonly kind: 'version'; readonly saga: string; readonly version: number; readonly fresh: boolean }

/** useSend publishes a text, or keeps it as a draft if there is none of that name. */
function useSend() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: async ({ text, note, draft }: Sending): Promise<SentAs> => {
      const common = {
        body: text as never,
        bodySerializer: (body: unknown) => body as string,
        headers: { 'Content-Type': 'application/yaml' },
      }
      if (draft !== undefined) {
        const params = { path: { saga: draft }, header: { 'If-None-Match': '*' } }
        await ask(api.PUT('/api/v1/sagas/drafts/{saga}', { ...common, params }))
        return { kind: 'draft', saga: draft }
      }
      const params = {
        query: note.trim() ? { note: note.trim() } : {},
        header: { 'Idempotency-Key': idempotencyKey() },
      }
      const request = api.POST('/api/v1/sagas/definitions', { ...common, params })
      const made = await ask(request)
      const fresh = (await request).response.status === 201
      return { kind: 'version', saga: made.name ?? '', version: made.version ?? 0, fresh }
    },
    onSuccess: () => client.invalidateQueries({ queryKey: ['sagas'] }),
  })
}

function Failed({ error, name }: { error: unknown; name: string }) {
  const t = useWords(words)
  const taken = error instanceof Refused && error.status === 412
  const body = error instanceof Refused ? error.body : {}
  const findings = body['findings'] as Schemas['SagaFinding'][] | undefined
  return (
    <div>
      <ErrorBox error={error} />
      {taken && (
        <Text size="sm" mt={6}>
          {t('draftExists')} <Link to={`/designer/${encodeURIComponent(name)}`}>{t('openDraft')}</Link>
        </Text>
      )}
      {findings && <Findings findings={findings} />}
    </div>
  )
}

function Sent({ sent, onClose }: { sent: SentAs; onClose: () => void }) {
  const t = useWords(words)
  const { saga } = sent
  const text =
    sent.kind === 'draft'
      ? t('draftKept', { saga })
      : t(sent.fresh ? 'publishedAs' : 'sameAs', { saga, version: sent.version })
  const same = sent.kind === 'version' && !sent.fresh
  const to = `${sent.kind === 'draft' ? '/designer' : '/sagas'}/${encodeURIComponent(saga)}`
  return (
    <Stack gap="md">
      <div role="status" className={classes['notice']} data-tone={same ? 'warn' : 'good'}>
        {text}
      </div>
      <Group justify="flex-end">
        <Button component={Link} to={to} onClick={onClose} data-autofocus>
          {sent.kind === 'draft' ? t('openDraft') : t('openSaga', { saga })}
        </Button>
      </Group>
    </Stack>
  )
}
