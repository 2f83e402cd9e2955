import { Button, Group, Text, TextInput } from '@mantine/core'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api, ask } from '@/api/client.ts'
import { useMay } from '@/api/session.ts'
import { useWords } from '@/i18n'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { MayButton } from '@/shared/May.tsx'
import { When } from '@/shared/When.tsx'
import classes from './inbox.module.css'
import type { Claim } from './items.ts'
import { inboxKey } from './useInbox.ts'
import { words } from './words.ts'

/** useClaim takes items up and releases them. */
export function useClaim() {
  const client = useQueryClient()
  const renew = () => client.invalidateQueries({ queryKey: [...inboxKey, 'claims'] })
  const take = useMutation({
    mutationFn: (body: { item: string; note: string; takeOver: boolean }) =>
      ask(api.POST('/api/v1/inbox/claims', { body })),
    onSettled: renew,
  })
  const letGo = useMutation({
    mutationFn: (claim: string) =>
      ask(api.DELETE('/api/v1/inbox/claims/{claim}', { params: { path: { claim } } })),
    onSettled: renew,
  })
  return { take, letGo }
}

/** ClaimBox says who has taken an item up, and lets one take it, so that two do not work on the same. */
export function ClaimBox({ item, claim }: { item: string; claim: Claim | undefined }) {
  const t = useWords(words)
  const may = useMay('operator')
  const { take, letGo } = useClaim()
  const [note, setNote] = useState<string>()
  const shown = note ?? (claim?.own ? claim.note : '')
  const send = () =>
    take.mutate(
      { item, note: shown.trim(), takeOver: !!claim && !claim.own },
      { onSuccess: () => setNote(undefined) },
    )
  const changed = claim?.own && shown.trim() !== claim.note
  const error = take.error ?? letGo.error
  return (
    <section className={classes['claim']} aria-label={t('owner')}>
      <Text size="sm" role="status">
        {!claim && t('claimNobody')}
        {claim && (
          <>
            {claim.own ? t('claimMine') : t('claimOther', { who: claim.owner })} · <When at={claim.at} />
            {!claim.own && claim.note && <span className={classes['note']}>{claim.note}</span>}
          </>
        )}
      </Text>
      <Group gap="xs" wrap="nowrap" align="flex-end">
        {may && (
          <TextInput
            size="xs"
            className={classes['grow']!}
            aria-label={t('claimNote')}
            placeholder={t('claimNoteHint')}
            maxLength={100}
            value={shown}
            onChange={(event) => setNote(event.currentTarget.value)}
            onKeyDown={(event) => event.key === 'Enter' && send()}
          />
        )}
        {(!claim?.own || changed) && (
          <MayButton role="operator" size="xs" variant="default" loading={take.isPending} onClick={send}>
            {t(claim?.own ? 'saveNote' : claim ? 'takeOver' : 'take')}
          </MayButton>
        )}
        {claim?.own && !changed && (
          <Button
            size="xs"
            variant="default"
            loading={letGo.isPending}
            onClick={() => letGo.mutate(claim.id, { onSuccess: () => setNote(undefined) })}
          >
            {t('letGo')}
          </Button>
        )}
      </Group>
      {error && <ErrorBox error={error} />}
    </section>
  )
}
